"""Paths by pattern, as git understands them: for ``.gitattributes`` and for what a user asks to leave out."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator

ATTRIBUTES = ".gitattributes"  # the root's: git reads one in every folder, linguist's overrides stand there
# A file of attributes is short, and each rule is tried on each path: what is longer was made to take time.
_MAX_RULES, _MAX_PARTS = 100, 20


class Glob:
    """One pattern: ``*`` within a name, ``**`` for any folders; without a slash it fits in every folder."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        parts = [part for part in pattern.split("/") if part]
        if "/" not in pattern.rstrip("/"):
            parts = ["**", *parts]
        doubled = {at for at in range(1, len(parts)) if parts[at - 1] == parts[at] == "**"}
        self._parts = tuple(part for at, part in enumerate(parts) if at not in doubled)
        if len(self._parts) > _MAX_PARTS:
            self._parts = ("/",)  # fits nothing

    def fits(self, path: str) -> bool:
        """Whether the pattern fits the whole of ``path``."""
        return len(self._parts) in self._used(path)

    def covers(self, path: str) -> bool:
        """Whether it fits ``path`` or a folder around it, as in ``.gitignore``."""
        return any(self.fits(path[:cut]) for cut in (*_slashes(path), len(path)))

    def reaches_into(self, folder: str) -> bool:
        """Whether it may fit something below ``folder``."""
        return any(used < len(self._parts) for used in self._used(folder))

    def _used(self, path: str) -> set[int]:
        """How many parts of the pattern ``path`` may use up. Each is tried once a name: no backtracking."""
        used = self._past_stars({0})
        for name in path.strip("/").split("/"):
            stars = {at for at in used if self._parts[at : at + 1] == ("**",)}
            rest = (at for at in used - stars if at < len(self._parts))
            fitting = {at + 1 for at in rest if fnmatch.fnmatchcase(name, self._parts[at])}
            used = self._past_stars(stars | fitting)
            if not used:
                break
        return used

    def _past_stars(self, used: set[int]) -> set[int]:
        return used | {at + 1 for at in used if self._parts[at : at + 1] == ("**",)}


class Selection:
    """What a user asks for: with ``include`` only what one of its patterns covers, less ``exclude``."""

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self._include = [Glob(pattern) for pattern in include]
        self._exclude = [Glob(pattern) for pattern in exclude]

    def reason(self, path: str) -> str:
        """Why the file at ``path`` is left out, or ``""``."""
        for glob in self._exclude:
            if glob.covers(path):
                return f"excluded by {glob.pattern}"
        return (
            "not included" if self._include and not any(glob.covers(path) for glob in self._include) else ""
        )


class Attributes:
    """linguist's overrides in a root's ``.gitattributes``: what is vendored or generated, and what is not.

    ``linguist-documentation`` keeps files out of linguist's statistics only; documents are wanted here.
    """

    def __init__(self, text: str = "") -> None:
        self._rules: list[tuple[Glob, str, bool | None]] = []
        for line in text.splitlines():
            pattern, *settings = line.split() or [""]
            if pattern and not pattern.startswith(("#", "!", '"', "[attr]")) and not pattern.endswith("/"):
                glob = Glob(pattern)
                self._rules += [
                    (glob, name, value) for name, value in map(_setting, settings) if name in _NAMES
                ]
        self._rules = self._rules[-_MAX_RULES:]

    def get(self, path: str, name: str) -> bool | None:
        """Whether ``path`` is ``vendored`` or ``generated``, by the last rule; ``None`` where none says."""
        for glob, about, value in reversed(self._rules):
            if about == name and glob.fits(path):
                return value
        return None

    def keeps_below(self, folder: str) -> bool:
        """Whether something below ``folder`` may be marked as not vendored."""
        return any(
            name == "vendored" and value is False and glob.reaches_into(folder)
            for glob, name, value in self._rules
        )


_NAMES = {"vendored", "generated"}


def _setting(written: str) -> tuple[str, bool | None]:
    name, _, value = written.partition("=")
    prefix = "linguist-"
    if name.startswith("!"):
        return name[1:].removeprefix(prefix) if name[1:].startswith(prefix) else "", None
    unset = name.startswith("-")
    name = name.removeprefix("-")
    return name.removeprefix(prefix) if name.startswith(prefix) else "", not unset and value != "false"


def _slashes(path: str) -> Iterator[int]:
    return (at for at, char in enumerate(path) if char == "/")
