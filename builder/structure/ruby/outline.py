"""What an outline says of a Ruby file: signatures, the comments above them, constants and accessors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from builder.structure.syntax import bounded, captures, lines, one_line, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

GRAMMAR = "tree_sitter_ruby"
ACCESSORS = ("attr_reader", "attr_writer", "attr_accessor")
_MAX_SIGNATURE = 300  # characters
_MAX_READ = 4_000  # bytes that a signature is cut out of, comments included
_MAX_VALUE = 120  # bytes
_MAX_LINES = 20  # of a list of accessors
_MAX_DOC = 200
_KINDS = {"class": "class", "module": "module", "singleton_class": "class", "assignment": "constant"}
_MAGIC = re.compile(
    r"#\s*(?:!|-\*-|(?:frozen_string_literal|(?:en)?coding|warn_indent|typed|shareable_constant_value)\s*:)",
    re.IGNORECASE,
)
_LICENCE = re.compile(r"\b(?:copyright|licen[cs]ed?)\b", re.IGNORECASE)
_TOP = 6  # lines of a file, in which its licence begins
_BLOCK = ("=begin", "=end")
# Marks for tools, which say nothing of what is below them.
_MARK = re.compile(r"@\w|:\w+:|--|\+\+|rubocop:|steep:|=\w+$|:call-seq:")


class Comments:
    """The comments that stand on lines of their own, and where each run of them begins."""

    def __init__(self, nodes: Sequence[Node], source: bytes) -> None:
        self.rows: dict[int, str] = {}
        self._first: dict[int, int] = {}
        self._docs: dict[int, tuple[str, list[int]]] = {}
        for node in sorted(nodes, key=lambda node: node.start_byte):
            start = node.start_point
            if source[node.start_byte - start.column : node.start_byte].strip():
                continue  # belongs to what stands before it
            for offset, line in enumerate(text(node).rstrip("\n").split("\n")):
                row = start.row + offset
                self.rows[row] = line
                self._first[row] = self._first.get(row - 1, row)

    def above(self, row: int) -> range:
        """The rows of the comment that ends on the line before ``row``, if it is no licence's."""
        first = self._first.get(row - 1, row)
        is_licence = first < _TOP and any(_LICENCE.search(self.rows[at]) for at in range(first, row)[:_TOP])
        return range(0) if is_licence else range(first, row)

    def doc(self, row: int) -> tuple[str, list[int]]:
        """The first line of that comment that says something, and the number of its line."""
        if row not in self._docs:
            self._docs[row] = "", []
            for place in self.above(row):
                line = self.rows[place]
                said = line.lstrip("# \t=").strip()
                if said and not _MAGIC.match(line) and not _MARK.match(said) and line not in _BLOCK:
                    self._docs[row] = bounded(said, _MAX_DOC), [place + 1]
                    break
        return self._docs[row]

    def leading(self, first: Node | None) -> Iterator[int]:
        """The lines of the comments before the first statement, but for those that document it."""
        is_documented = first is not None and first.type in ("class", "module", "method")
        end = first.start_point.row if first is not None else max(self.rows, default=-1) + 1
        documents = self.above(end) if is_documented else range(0)
        for row, line in self.rows.items():
            if row < end and (row not in documents or _MAGIC.match(line)):
                yield row + 1


def definition(node: Node, depth: int, comments: Comments, source: bytes) -> Iterator[Definition]:
    """The entries for a class, module, method, constant or list of accessors."""
    row = node.start_point.row
    doc, said = comments.doc(row)
    kind = _KINDS.get(node.type, "method" if depth or node.type == "singleton_method" else "function")
    name = node.child_by_field_name("name") or node.child_by_field_name("left")
    named = text(name) if name and name.end_byte - name.start_byte <= _MAX_SIGNATURE else ""
    last = node.end_point.row + 1
    if node.type == "call":  # of attr_reader and its like
        kind, named, last = "attribute", _accessors(node), min(last, row + _MAX_LINES)
        signature = _signature(source, node, node.end_byte)
    elif node.type in ("assignment", "operator_assignment"):
        kind, is_short = "constant", row + 1 == last and node.end_byte - node.start_byte <= _MAX_VALUE
        signature = text(node) if is_short else f"{named} = …"
        last = last if is_short else row
    else:
        if node.type == "singleton_class":
            named = f"<< {_short(node.child_by_field_name('value'))}"
        elif node.type == "singleton_method":
            named = f"{_short(node.child_by_field_name('object'))}.{named}"
        end, last = _head(node, row, source)
        signature = _signature(source, node, end)
    if named and signature:
        yield Definition(
            kind,
            named,
            signature,
            row + 1,
            lines(node)[-1],
            depth,
            doc=doc,
            signature_lines=frozenset([*range(row + 1, last + 1), *said]),
        )


def _short(node: Node | None) -> str:
    return text(node) if node and node.end_byte - node.start_byte <= _MAX_VALUE else "…"


def _accessors(call: Node) -> str:
    given = call.child_by_field_name("arguments")
    names = [child for child in given.named_children if child.type == "simple_symbol"] if given else []
    return bounded(", ".join(text(name).removeprefix(":") for name in names), _MAX_SIGNATURE)


def _head(node: Node, row: int, source: bytes) -> tuple[int, int]:
    """Where a signature ends, and its last line; one that also holds body is left out."""
    fields = ("superclass", "parameters", "name", "value")
    parts = [part for field in fields if (part := node.child_by_field_name(field))]
    if not parts:
        return node.start_byte, row
    last = parts[0]
    end, bottom = last.end_byte, last.end_point.row
    if last.type == "superclass" and bottom > row:  # `Struct.new(…) do` and a whole body
        end, bottom = source.find(b"\n", last.start_byte), last.start_point.row
    body = node.child_by_field_name("body")
    holds_body = body is not None and body.start_point.row == bottom
    holds_body = holds_body or node.end_point.row == bottom > row
    return end, bottom + 1 - holds_body


def _signature(source: bytes, node: Node, end: int) -> str:
    head = source[node.start_byte : min(end, node.start_byte + _MAX_READ)]
    if b"#" in head and b"\n" in head:
        for comment in reversed(captures(GRAMMAR, "(comment) @comment", node, node.start_byte + len(head))):
            start = comment.start_byte - node.start_byte
            head = head[:start] + head[comment.end_byte - node.start_byte :]
    return one_line(head, _MAX_SIGNATURE)
