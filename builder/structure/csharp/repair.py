"""What is done for a C# text that the grammar has trouble with: branches chosen, lost scopes found again."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

_DIRECTIVE = re.compile(
    rb"[ \t]*#[ \t]*(if|elif|else|endif|region|endregion|pragma|nullable|define|undef|error|warning|line)\b"
)
_NAMESPACE = re.compile(rb"^[ \t]*namespace[ \t]+([\w.]+)[ \t]*\r?\n?[ \t]*([{;])", re.MULTILINE)
_TOKEN = re.compile(
    rb"//[^\n]*|/\*.*?(?:\*/|\Z)|\"\"\".*?(?:\"\"\"|\Z)|\$?@\$?\"(?:[^\"]|\"\")*+(?:\"|\Z)"
    rb"|\"(?:[^\"\\\n]|\\.)*+|'(?:[^'\\\n]|\\.){1,8}'|[{}]",
    re.DOTALL,
)


def first_branches(source: bytes) -> bytes:
    """A text of the same length with blanks for directives and for all branches but the first ones."""
    kept: list[bytes] = []
    open_branches: list[bool] = []
    num_closed = 0  # branches around the line that are not the first ones
    for line in source.split(b"\n"):
        directive = _DIRECTIVE.match(line)
        word = directive[1] if directive else b""
        if word == b"if":
            open_branches.append(True)
        elif word in (b"elif", b"else") and open_branches and open_branches[-1]:
            open_branches[-1] = False
            num_closed += 1
        elif word == b"endif" and open_branches:
            num_closed -= not open_branches.pop()
        kept.append(b" " * len(line) if word or num_closed else line)
    return b"\n".join(kept)


def namespaces(source: bytes) -> Iterator[tuple[int, str, bool]]:
    """Where lines declare a namespace, its name, and whether that is in force to the end of the file."""
    for match in _NAMESPACE.finditer(source):
        start = match.start() + source[match.start() : match.end()].index(b"namespace")
        yield start, match[1].decode("utf-8", "replace"), match[2] == b";"


class Braces:
    """How many braces are open at a place, and whether it is one in a string or comment."""

    def __init__(self, source: bytes) -> None:
        self._places: list[int] = []
        self._depths: list[int] = []
        self._texts: list[tuple[int, int]] = []
        depth = 0
        for match in _TOKEN.finditer(source):
            if match[0] in (b"{", b"}"):
                depth += 1 if match[0] == b"{" else -1
                self._places.append(match.start())
                self._depths.append(depth)
            else:
                self._texts.append(match.span())

    def is_text(self, place: int) -> bool:
        """Whether byte ``place`` is in a string or comment."""
        before = bisect_right(self._texts, (place, place + 1)) - 1
        return before >= 0 and self._texts[before][1] > place

    def depth(self, place: int) -> int:
        """The number of braces that are open before byte ``place``."""
        before = bisect_right(self._places, place - 1) - 1
        return self._depths[before] if before >= 0 else 0
