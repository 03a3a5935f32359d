"""Which type of a file a place is inside, and which names mean something of a function's own there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from builder.structure.paths import join

T = TypeVar("T")
_DOTTED = re.compile(rb"[\w$\x80-\xff]+(?:\s*\.\s*[\w$\x80-\xff]+){0,20}")
_COMMENT = re.compile(r"/\*[\s\S]*?\*/|//[^\n]*")
_MAX_IMPORT = 2_000  # characters
_MAX_DEPTH = 64  # deeper blocks count as part of the one at this depth: what they cost is bounded


@dataclass
class Block:
    """A stretch of a file, from byte ``start`` up to ``end``.

    ``name`` is that of the type whose body it is, ``""`` where it only hides names. :func:`nested` sets
    ``path``, the type's path inside the file, and adds to ``hidden`` what enclosing blocks hide.
    """

    start: int
    end: int
    name: str = ""
    hidden: set[str] = field(default_factory=set)
    path: str = ""
    outer: str = ""  # the path around it
    depth: int = 0


def nested(blocks: Iterable[Block], local: Iterable[tuple[int, str]]) -> list[Block]:
    """The blocks in the order of the text; ``local`` names are hidden in what is around them."""
    ordered = sorted(blocks, key=lambda block: (block.start, -block.end))
    for (_, name), block in around(ordered, local):
        if block is not None:
            block.hidden.add(name)
    places = [(block.start, block) for block in ordered]
    for (_, inner), block in around(ordered, places, strictly=True):
        if block is None:
            inner.path = inner.name
        elif block.depth >= _MAX_DEPTH:
            inner.path, inner.outer, inner.hidden, inner.depth = (
                block.path,
                block.path,
                block.hidden,
                block.depth,
            )
        else:
            inner.path, inner.outer = join(block.path, inner.name).replace("/", "."), block.path
            inner.hidden |= block.hidden
            inner.depth = block.depth + 1
    return ordered


def around(
    ordered: list[Block], places: Iterable[tuple[int, T]], strictly: bool = False
) -> Iterator[tuple[tuple[int, T], Block | None]]:
    """The innermost block around each place (a byte, with anything), in the order of the text.

    ``strictly`` asks for the block around a block that begins there.
    """
    open_: list[Block] = []
    following = 0
    for place in sorted(places, key=lambda item: item[0]) if not strictly else places:
        while following < len(ordered) and ordered[following].start <= place[0]:
            if strictly and ordered[following] is place[1]:
                break
            while open_ and open_[-1].end <= ordered[following].start:
                open_.pop()
            open_.append(ordered[following])
            following += 1
        while open_ and open_[-1].end <= place[0]:
            open_.pop()
        yield place, open_[-1] if open_ else None


def dotted(source: bytes, start: int) -> str:
    """The dotted name that begins at byte ``start``, without space."""
    match = _DOTTED.match(source, start)
    if match is None:
        return ""
    name = match[0].decode("utf-8", "replace")
    return name if name.isalnum() else "".join(name.split())


def words(declaration: str) -> list[str]:
    """The words of an import declaration, without comments."""
    return _COMMENT.sub(" ", declaration[:_MAX_IMPORT]).replace(";", " ").split()
