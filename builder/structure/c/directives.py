"""The preprocessor's view of a file: its directives and leading comments, whatever the code around them is.

Directives are lines, so they are found in text that no grammar parses, as the preprocessor itself finds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from builder.structure.languages import Import

# Whatever may hide a directive comes first. Nothing here scans a stretch of text twice: unfinished comments
# and strings reach to the end of the text or line, and repetitions of them are possessive.
_TOKEN = re.compile(
    rb"""
      (?P<comment> /\*[\s\S]*?(?:\*/|\Z) | //(?:\\\r?\n|[^\n])*+ )
    | (?:\b(?:u8|[uUL])?R"(?P<fence>[^\s()\\"]{0,16})\([\s\S]*?(?:\)(?P=fence)"|\Z))
    | "(?:\\[\s\S]|[^"\\\n])*+"?
    | '(?:\\[\s\S]|[^'\\\n]){1,12}+'
    | \\\r?\n[ \t]*+\#?
    | ^(?:\xef\xbb\xbf)?[ \t]*+\#[ \t]*+(?P<name>[a-z_]+)[ \t]*+
      (?P<argument><[^>\n]*+>|"[^"\n]*+"|[^\n/"'\\]*+)
    """,
    re.VERBOSE | re.MULTILINE,
)
_GUARD = re.compile(r"(?:!\s*defined\s*\(?\s*)?(\w+)\s*\)?\s*")
_SPACES = re.compile(rb"(?:\xef\xbb\xbf)?\s*+")
_INCLUDES = {"include": "", "include_next": "next", "import": ""}
_MAX_ARGUMENT = 1_000  # bytes
_OPENING = ("if", "ifdef", "ifndef")
_TURNING = ("elif", "elifdef", "elifndef", "else")


@dataclass(frozen=True)
class Directive:
    """One preprocessor line: ``#name argument``. Of other arguments than an include's only the start."""

    name: str
    argument: str
    line: int


@dataclass(frozen=True)
class Preprocessed:
    """What the preprocessor sees of one file."""

    includes: tuple[Import, ...]
    guards: frozenset[str]  # names that only keep the file from being read twice
    header_lines: frozenset[int]


def preprocess(source: bytes) -> Preprocessed:
    """Find includes, include guards and the header of a file. Never fails."""
    directives: list[Directive] = []
    header: set[int] = set()
    line, position, code_at = 1, 0, _first_code(source)
    for match in _TOKEN.finditer(source):
        line += source.count(b"\n", position, match.start())
        position = match.start()
        if match["comment"] is not None and match.end() <= code_at:
            header.update(range(line, line + match[0].count(b"\n") + 1))
        elif match["name"] is not None:
            argument = match["argument"][:_MAX_ARGUMENT].decode("utf-8", "replace").strip()
            directives.append(Directive(match["name"].decode(), argument, line))
    guard = _guard(directives)
    header.update(directive.line for directive in guard)
    header.update(d.line for d in directives if d.name in _INCLUDES)
    header.update(d.line for d in directives if d.name == "pragma" and d.argument.split() == ["once"])
    return Preprocessed(
        tuple(
            Import(directive.argument, _INCLUDES[directive.name], kind="include")
            for directive in _alive(directives)
            if directive.name in _INCLUDES and directive.argument
        ),
        frozenset(directive.argument.split()[0] for directive in guard[1:2]),
        frozenset(header),
    )


def _first_code(source: bytes) -> int:
    """Where the comments at the top end."""
    position = 0
    while match := _TOKEN.match(source, _after_spaces(source, position)):
        if match["comment"] is None:
            break
        position = match.end()
    return position


def _after_spaces(source: bytes, position: int) -> int:
    match = _SPACES.match(source, position)
    return match.end() if match else position


def _guard(directives: list[Directive]) -> list[Directive]:
    """The three lines of an include guard, if the file opens with one that its last directive closes."""
    directives = [directive for directive in directives if directive.name != "pragma"]
    if len(directives) < 3:
        return []
    test, define, *_ = directives
    match = _GUARD.fullmatch(test.argument) if test.name in ("ifndef", "if") else None
    if match is None or (test.name == "if") != test.argument.startswith("!"):
        return []
    if define.name != "define" or define.argument.split()[:1] != [match[1]]:
        return []
    depth = 0
    for number, directive in enumerate(directives, 1):
        depth += (directive.name in _OPENING) - (directive.name == "endif")
        if depth == 0:
            return [test, define, directive] if number == len(directives) else []
    return []


def _alive(directives: list[Directive]) -> Iterator[Directive]:
    """Directives that some configuration sees: all but those below ``#if 0``."""
    dead: list[bool] = []
    num_dead = 0
    for directive in directives:
        if directive.name in _OPENING:
            dead.append(directive.name == "if" and directive.argument == "0")
            num_dead += dead[-1]
        elif directive.name in _TURNING and dead:
            num_dead -= dead[-1]
            dead[-1] = False
        elif directive.name == "endif" and dead:
            num_dead -= dead.pop()
        elif not num_dead:
            yield directive
