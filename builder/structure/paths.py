"""Paths inside a repository: ``/`` between parts, relative to the root, which is ``""``."""

from __future__ import annotations

from collections.abc import Iterator


def parents(path: str) -> Iterator[str]:
    """The folders around ``path``, innermost first, ``""`` last."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def join(*parts: str) -> str:
    """The parts that are not empty, with ``/`` between them."""
    return "/".join(part for part in parts if part)


def normalised(folder: str, relative: str) -> str | None:
    """``relative`` as seen from ``folder``, without dots; ``None`` where it leaves the repository."""
    parts = folder.split("/") if folder else []
    for part in relative.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
