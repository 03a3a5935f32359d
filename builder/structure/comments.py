"""Comments and signatures as the languages that write like C have them, for their outlines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from builder.structure.syntax import bounded, lines, text

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_SIGNATURE = 300  # characters
_MAX_DOC = 200
_MAX_READ = 4_000  # bytes that a signature is cut out of, comments included
# Comments, directives of the preprocessor, and ends of line that do not count.
_NOISE = re.compile(r"/\*[\s\S]*?(?:\*/|\Z)|//[^\n]*|^[ \t]*#[^\n]*|\\\n", re.MULTILINE)
_MARKS = re.compile(r"^\s*(?:/\*[*!]*<?|//[/!]*<?|\*+(?!/))?\s*(?:[@\\](?:brief|file|short)\b)?\s*")


def with_comments(node: Node) -> Iterator[tuple[Node, Node | None]]:
    """The children of a block, each with the first of the comments that end on the line before it."""
    first: Node | None = None
    comment_row = code_row = -2
    for child in node.named_children:
        row = child.start_point.row
        if not child.type.endswith("comment"):
            yield child, first if row == comment_row + 1 else None
            first, code_row = None, lines(child)[-1] - 1
        elif row != code_row:  # else it belongs to what stands before it
            first = child if first is None or row != comment_row + 1 else first
            comment_row = child.end_point.row


def doc_line(comment: Node | None) -> tuple[str, list[int]]:
    """The first line of a comment that says something, and where it stands."""
    if comment is None:
        return "", []
    for offset, line in enumerate(text(comment).split("\n")):
        said = _MARKS.sub("", line).removesuffix("*/").strip().strip("*-=/ ")
        if said:
            return bounded(said, _MAX_DOC), [comment.start_point.row + 1 + offset]
    return "", []


def without_comments(source: str) -> str:
    """Source without its comments, directives and continued lines."""
    return _NOISE.sub(" ", source)


def one_line(source: bytes, start: int, end: int) -> str:
    """A stretch of the source on one line, without comments and the mark that ends it, bounded."""
    raw = source[start : min(end, start + _MAX_READ)].decode("utf-8", "replace").strip()
    if "\n" not in raw and "/" not in raw:
        return bounded(raw.rstrip(";:{\\ "), MAX_SIGNATURE)  # as written
    line = " ".join((raw[:1] + without_comments(raw[1:])).split())  # a macro's own mark stays
    line = re.sub(r",?([)\]])", r"\1", re.sub(r" ?([,)\]])", r"\1", re.sub(r"([(\[]) ", r"\1", line)))
    return bounded(line.rstrip(";:{\\ "), MAX_SIGNATURE)
