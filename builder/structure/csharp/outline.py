"""What an outline says of a C# file: namespaces, types and their members, with attributes and summaries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from builder.structure.comments import MAX_SIGNATURE, one_line
from builder.structure.csharp.facts import TYPES
from builder.structure.csharp.names import written
from builder.structure.syntax import bounded, folded, lines, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

_GRAMMAR = "tree_sitter_c_sharp"
_MAX_DEPTH = 30
_MAX_CONSTANT = 120
_MAX_DOC = 200
_KINDS = {
    "namespace_declaration": "namespace", "file_scoped_namespace_declaration": "namespace",
    "method_declaration": "method", "constructor_declaration": "constructor",
    "operator_declaration": "operator", "conversion_operator_declaration": "operator",
    "property_declaration": "property", "indexer_declaration": "property", "event_declaration": "event",
    "event_field_declaration": "event", "field_declaration": "constant",
} | TYPES  # fmt: skip
_BODIES = {
    "block", "arrow_expression_clause", "accessor_list", "declaration_list", "enum_member_declaration_list",
    "constructor_initializer",
}  # fmt: skip
_CONSTANT = re.compile(r"\bconst\b|\bstatic\b.*\breadonly\b|\breadonly\b.*\bstatic\b")
_MARKS = re.compile(r"^\s*(?:///?|/\*\*?|\*(?!/))?\s*")
_REFERENCE = re.compile(r"<(?:see|paramref|typeparamref)(?:also)?\s+\w+=\"(?:[A-Z]:)?([^\"]*)\"\s*/>")
_TAG = re.compile(r"</?[a-z][^<>]*>")


def outline(nodes: Iterable[Node], comments: list[Node], source: bytes) -> tuple[Definition, ...]:
    """The definitions of a file in the order of the text."""
    above = _Comments(comments, source)
    found: list[Definition] = []
    ends: list[int] = []
    for node in sorted(nodes, key=lambda node: (node.start_byte, -node.end_byte)):
        while ends and ends[-1] <= node.start_byte:
            ends.pop()
        if kind := _KINDS.get(node.type):
            found += _entries(kind, node, min(len(ends), _MAX_DEPTH), above, source)
        if node.type in TYPES or node.type == "namespace_declaration":
            ends.append(node.end_byte)
    return tuple(found)


class _Comments:
    """The comments that stand on lines of their own."""

    def __init__(self, comments: list[Node], source: bytes) -> None:
        self._by_end: dict[int, Node] = {}
        for comment in comments:
            start = comment.start_byte
            line = source[max(start - 200, source.rfind(b"\n", 0, start) + 1, 0) : start]
            if not line.strip():
                self._by_end[comment.end_point.row] = comment

    def summary_before(self, row: int) -> tuple[str, list[int]]:
        """The first line that says something in the comments that end above ``row``, and where it stands."""
        block: list[Node] = []
        while comment := self._by_end.pop(row - 1, None):  # each belongs to one definition
            block.append(comment)
            row = comment.start_point.row
        for comment in reversed(block):
            for offset, line in enumerate(text(comment).split("\n")):
                said = _MARKS.sub("", line[: 10 * _MAX_DOC]).removesuffix("*/")
                said = _TAG.sub("", _REFERENCE.sub(r"\1", said)).strip().strip("*-=/ ")
                if said:
                    return bounded(said, _MAX_DOC), [comment.start_point.row + 1 + offset]
        return "", []


def _entries(kind: str, node: Node, depth: int, above: _Comments, source: bytes) -> Iterator[Definition]:
    doc, said = above.summary_before(node.start_point.row)
    decorators: list[str] = []
    first = body = None
    shown: list[int] = []
    for child in node.children:
        if child.type == "attribute_list" and first is None:
            decorators.append(folded(_GRAMMAR, child, MAX_SIGNATURE))
            shown += lines(child)
        elif first is None and child.type != "comment":
            first = child
        if body is None and child.type in _BODIES:
            body = child
    if first is None:
        return
    head = range(first.start_point.row + 1, lines(node)[-1] + 1)
    end = node.end_byte
    if node.type == "file_scoped_namespace_declaration":
        body = None
    elif body is not None and not _is_automatic(node, body, source):
        end = body.start_byte
        opening = body.start_point.row
        head = range(head.start, opening + 2 - _begins_beside(body))
    signature = one_line(source, first.start_byte, end).removesuffix("=>").rstrip()
    names = [written(node.child_by_field_name("name")) or signature]
    if kind in ("constant", "event") and (variables := _variables(node)) is not None:
        if kind == "constant" and not _CONSTANT.search(signature):
            return
        declarators = [child for child in variables.named_children if child.type == "variable_declarator"]
        names = [written(child.child_by_field_name("name")) for child in declarators]
        if declarators and (len(head) > 1 or len(signature) > _MAX_CONSTANT):
            value = source.find(b"=", declarators[0].start_byte, end)
            end = value if value >= 0 else end
            signature, head = one_line(source, first.start_byte, end) + " …", head[:1]
    elif node.type == "indexer_declaration":
        names = ["this[]"]
    elif kind == "operator":
        names = [bounded(signature.partition("operator")[2].partition("(")[0].strip(), _MAX_CONSTANT)]
    for name in names:
        yield Definition(
            kind,
            name,
            signature,
            node.start_point.row + 1,
            lines(node)[-1],
            depth,
            tuple(decorators),
            doc,
            frozenset([*shown, *head, *said]),
        )


def _variables(node: Node) -> Node | None:
    return next((child for child in node.children if child.type == "variable_declaration"), None)


def _is_automatic(node: Node, body: Node, source: bytes) -> bool:
    """Whether accessors are no more than their names: `{ get; set; }`, all on one line."""
    if body.type != "accessor_list" or body.end_byte != node.end_byte:
        return False
    inside = source[body.start_byte + 1 : body.end_byte - 1]
    return not any(mark in inside for mark in (b"{", b"=>", b"\n", b"["))


def _begins_beside(body: Node) -> bool:
    """Whether some of a body stands on the line that opens it: the outline does not show all of that line."""
    if body.type in ("arrow_expression_clause", "constructor_initializer"):
        return True
    inside = body.child(1) if body.child_count > 1 else None
    return inside is not None and inside.start_point.row == body.start_point.row
