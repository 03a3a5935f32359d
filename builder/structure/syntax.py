"""Tree-sitter as every language here uses it: bounded parsing, cached queries, and what nodes say.

Trees are walked with explicit stacks: nesting is as deep as a stranger wants it to be.
"""

from __future__ import annotations

import functools
import importlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_BYTES = 2_000_000  # a larger file is not parsed
_MAX_PARSE = 5_000_000  # microseconds: some broken texts are repaired in quadratic time
_MAX_SEARCH = 1_000_000  # and some wide trees searched in it; past this a search ends with what it has


_watched: ContextVar[list[Node] | None] = ContextVar("watched", default=None)


class Unparsed(Exception):
    """A text was too large, or took too long, to be parsed."""


def parse(grammar: str, source: bytes) -> Node:
    """The root of the syntax tree of ``source``.

    ``grammar`` is a package, or ``package:function`` where one package holds several grammars. Raises
    :class:`Unparsed` past the bounds.
    """
    if len(source) > MAX_BYTES:
        raise Unparsed(f"larger than {MAX_BYTES} bytes")
    parser = _parser(grammar)
    try:
        root = parser.parse(source).root_node
    except ValueError:
        parser.reset()
        raise Unparsed(f"not parsed within {_MAX_PARSE / 1e6:.0f} s") from None
    if (roots := _watched.get()) is not None:
        roots.append(root)
    return root


@contextmanager
def watching() -> Iterator[list[Node]]:
    """Collects the roots of what is parsed meanwhile: every language's `scan` parses through `parse`."""
    roots: list[Node] = []
    token = _watched.set(roots)
    try:
        yield roots
    finally:
        _watched.reset(token)


def errors(root: Node, limit: int) -> list[Node]:
    """The first ``limit`` nodes that stand for text that does not parse, or for a token that is missing."""
    found: list[Node] = []
    stack = [root]
    while stack and len(found) < limit:
        node = stack.pop()
        if node.is_error or node.is_missing:
            found.append(node)
        elif node.has_error:
            stack += reversed(node.children)
    return found


def captures(grammar: str, query: str, node: Node, end: int | None = None) -> list[Node]:
    """The nodes below ``node``, up to byte ``end``, that ``query`` captures, in the order of the text."""
    found = captures_by_name(grammar, query, node, end)
    return sorted((node for nodes in found.values() for node in nodes), key=lambda node: node.start_byte)


def captures_by_name(grammar: str, query: str, node: Node, end: int | None = None) -> dict[str, list[Node]]:
    """The nodes below ``node``, up to byte ``end``, by the names that ``query`` gives them; in no order."""
    cursor = _cursor(grammar, query)
    cursor.set_byte_range(node.start_byte, node.end_byte if end is None else end)
    return cursor.captures(node)


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
    return one_line(source, limit)


def one_line(source: bytes, limit: int) -> str:
    """Text without comments on one line, cut to ``limit`` characters."""
    line = source.decode("utf-8", "replace").strip()
    if "\n" in line:
        # Not by an expression for the space around a newline: those take quadratic time on long runs of it.
        parts = (part.strip().removesuffix("\\").rstrip() for part in line.split("\n"))
        line = " ".join(part for part in parts if part)
        line = re.sub(r"([(\[{]) ", r"\1", line)
        line = re.sub(r",? ([)\]}])", r"\1", line)
    return bounded(line, limit)


@functools.cache
def _language(grammar: str) -> Any:
    from tree_sitter import Language

    package, _, function = grammar.partition(":")
    return Language(getattr(importlib.import_module(package), function or "language")())


@functools.cache
def _parser(grammar: str) -> Any:
    from tree_sitter import Parser

    return _bounded(Parser(_language(grammar)), _MAX_PARSE)


@functools.cache
def _cursor(grammar: str, query: str) -> Any:
    from tree_sitter import Query, QueryCursor

    return _bounded(QueryCursor(Query(_language(grammar), query)), _MAX_SEARCH)


def _bounded(worker: Any, microseconds: int) -> Any:
    with warnings.catch_warnings():
        # Deprecated for `progress_callback`, which ends in a segmentation fault on 0.25.2.
        warnings.simplefilter("ignore", DeprecationWarning)
        worker.timeout_micros = microseconds
    return worker
