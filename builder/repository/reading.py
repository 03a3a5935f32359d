"""What a source hands to :func:`builder.repository.load`, and the bounds within which it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from builder.errors import FatalError


@dataclass(frozen=True)
class Limits:
    """Bounds on what is read of a stranger's code: each ends in a recorded skip or a clear error."""

    max_files: int = 20_000  # included
    max_file_bytes: int = 1_000_000
    max_total_bytes: int = 256_000_000  # read from files, included or not
    max_entries: int = 200_000  # looked at; beyond it loading fails
    max_unpacked_bytes: int = 2_000_000_000  # that an archive may decompress to; beyond it loading fails


@dataclass(frozen=True)
class Entry:
    """Something with a name in a source. ``obstacle`` says why it can't be read, where it can't.

    ``read(n)`` gives at most the first ``n`` bytes and raises ``OSError`` where that fails. It is valid
    until the next entry is asked for: archives are streams. ``licenses`` are SPDX expressions that the source
    itself states for the file, all of which apply where the file and its folders say nothing.
    """

    path: str
    obstacle: str = ""
    size: int = 0  # bytes, as the source declares it: not to be trusted
    read: Callable[[int], bytes] = lambda _: b""
    licenses: tuple[str, ...] = ()


class Source(Protocol):
    """A place where code comes from. Made from what the user wrote, without reading any file.

    ``fetched`` tells what others published from files that the user has. ``cache`` holds downloads.
    """

    identity: str
    fetched: bool

    def __init__(self, source: str, cache: Path | None = None) -> None: ...

    @classmethod
    def accepts(cls, source: str) -> bool:
        """Whether ``source`` has the form of this kind."""
        ...

    def entries(self, limits: Limits) -> Iterator[Entry]:
        """What is there, in an order that depends on nothing but the source; ``.gitattributes`` first."""
        ...

    def revision(self) -> str:
        """The name of this state of the project, or ``""`` where only the contents can tell."""
        ...

    def fingerprint(self) -> str:
        """A cheap hash that changes when the contents do, or ``""`` to have one made from the entries."""
        ...


def not_kept(cache: Path, error: OSError) -> FatalError:
    """What to raise where a source's download cannot be written to ``cache``."""
    return FatalError(
        f"{cache}: downloads cannot be kept there ({error.strerror or error}); "
        "make room, or name another folder with REPO2AGENT_CACHE"
    )
