"""Tree-sitter as every language here uses it: bounded parsing, cached queries, and what nodes say.

Trees are walked with explicit stacks: nesting is as deep as a stranger wants it to be.
"""

from __future__ import annotations

import functools
import importlib
import re
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_BYTES = 2_000_000  # a larger file is not parsed
_MAX_PARSE = 5_000_000  # microseconds: some broken texts are repaired in quadratic time


def parse(grammar: str, source: bytes) -> Node | None:
    """The root of the syntax tree of ``source`` by the package ``grammar``, or ``None`` beyond the bounds."""
    if len(source) > MAX_BYTES:
        return None
    parser = _parser(grammar)
    try:
        return parser.parse(source).root_node
    except ValueError:  # out of time
        parser.reset()
        return None


def captures(grammar: str, query: str, node: Node) -> list[Node]:
    """The nodes below ``node`` that ``query`` captures, in the order of the text."""
    found = captures_by_name(grammar, query, node)
    return sorted((node for nodes in found.values() for node in nodes), key=lambda node: node.start_byte)


def captures_by_name(grammar: str, query: str, node: Node) -> dict[str, list[Node]]:
    """The nodes below ``node`` that ``query`` captures, by the names that it gives them, in no order."""
    from tree_sitter import QueryCursor

    return QueryCursor(_query(grammar, query)).captures(node)


def text(node: Node | None) -> str:
    """The text of a node, ``""`` for none."""
    return (node.text or b"").decode("utf-8", "replace") if node else ""


def lines(node: Node) -> range:
    """The lines that a node stands on, counted from 1."""
    start, end = node.start_point, node.end_point
    # A block's node may end at column 0 of the line after it.
    return range(start.row + 1, end.row + 2 - (end.column == 0 and end.row > start.row))


def bounded(line: str, limit: int) -> str:
    """``line``, cut to ``limit`` characters."""
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def folded(grammar: str, node: Node, limit: int) -> str:
    """A node's text on one line, without comments, cut to ``limit`` characters."""
    source = node.text or b""
    if b"\n" not in source:
        return bounded(source.decode("utf-8", "replace"), limit)
    for comment in reversed(captures(grammar, "(comment) @comment", node)):
        source = source[: comment.start_byte - node.start_byte] + source[comment.end_byte - node.start_byte :]
    line = re.sub(r"\s*\\?\n\s*", " ", source.decode("utf-8", "replace"))
    line = re.sub(r"([(\[{]) ", r"\1", line)
    return bounded(re.sub(r",? ([)\]}])", r"\1", line).strip(), limit)


@functools.cache
def _language(grammar: str) -> Any:
    from tree_sitter import Language

    return Language(importlib.import_module(grammar).language())


@functools.cache
def _parser(grammar: str) -> Any:
    from tree_sitter import Parser

    parser = Parser(_language(grammar))
    with warnings.catch_warnings():
        # Deprecated for `progress_callback`, which ends in a segmentation fault on 0.25.2.
        warnings.simplefilter("ignore", DeprecationWarning)
        setattr(parser, "timeout_micros", _MAX_PARSE)  # noqa: B010 - declared read-only
    return parser


@functools.cache
def _query(grammar: str, query: str) -> Any:
    from tree_sitter import Query

    return Query(_language(grammar), query)
