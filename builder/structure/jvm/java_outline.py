"""What an outline says of a Java file: types, methods and constants, with their annotations and Javadoc."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from builder.structure.comments import doc_line, one_line, with_comments
from builder.structure.syntax import lines, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_CONSTANT = 120
_TYPES = {
    "class_declaration": "class", "interface_declaration": "interface", "enum_declaration": "enum",
    "record_declaration": "record", "annotation_type_declaration": "annotation",
}  # fmt: skip
_METHODS = {
    "method_declaration", "constructor_declaration", "compact_constructor_declaration",
    "annotation_type_element_declaration",
}  # fmt: skip
_BLOCKS = {"program", "enum_body_declarations", "ERROR"}
_LOST = re.compile(rb"\b(?:annotation|const|data|sealed) +\Z")
_FIXED = (re.compile(r"\bstatic\b"), re.compile(r"\bfinal\b"))


class Item(NamedTuple):
    """A declaration, the comment above it and how deep it stands."""

    node: Node
    comment: Node | None
    depth: int


def outline(root: Node, source: bytes) -> Iterator[Definition]:
    """The entries of a file in the order of its text; nothing inside methods."""
    stack = [Item(root, None, 0)]
    while stack:
        item = stack.pop()
        node, inner, depth = item.node, None, item.depth
        if node.type in _BLOCKS:
            inner = node
        elif node.type in _TYPES:
            inner = node.child_by_field_name("body")
            yield entry(_TYPES[node.type], text(node.child_by_field_name("name")), item, inner, source)
            depth += 1
        elif node.type in _METHODS:
            body = node.child_by_field_name("body")
            yield entry("method", text(node.child_by_field_name("name")), item, body, source)
        elif node.type in ("field_declaration", "constant_declaration"):
            yield from _constants(item, source)
        if inner is not None:
            children = [Item(child, comment, depth) for child, comment in with_comments(inner)]
            stack += reversed(children)


def entry(kind: str, name: str, item: Item, body: Node | None, source: bytes) -> Definition:
    """The entry of a declaration. Annotations that it begins with are shown as lines of their own."""
    node = item.node
    annotations, start = _annotations(node)
    doc, said = doc_line(item.comment)
    head = range(start.start_point.row + 1, lines(node)[-1] + 1)
    if body is not None:
        # The line that opens a body is shown whole only where no more of it follows.
        first = body.child(1) if body.child_count > 1 else None
        is_beside = first is not None and first.start_point.row == body.start_point.row
        head = range(head.start, body.start_point.row + 2 - is_beside)
    # An annotation may stand on that line, too.
    shown = [line for part in annotations for line in lines(part) if line < head.stop]
    return Definition(
        kind,
        name,
        one_line(source, _begin(start, source), body.start_byte if body else node.end_byte),
        node.start_point.row + 1,
        lines(node)[-1],
        item.depth,
        tuple(one_line(source, part.start_byte, part.end_byte) for part in annotations),
        doc,
        frozenset([*head, *shown, *said]),
    )


def constant(name: str, item: Item, value: Node | None, source: bytes) -> Definition:
    """The entry of a constant, which shows its value if that is short and on one line."""
    node = item.node
    start = _annotations(node)[1]
    found = entry("constant", name, item, None, source)
    rows = range(start.start_point.row + 1, lines(node)[-1] + 1)
    if value is None or (len(rows) == 1 and len(found.signature) <= _MAX_CONSTANT):
        return found
    signature = one_line(source, _begin(start, source), value.start_byte).rstrip("= ") + " …"
    kept = found.signature_lines - frozenset(rows[1:])
    return replace(found, signature=signature, signature_lines=kept)


def _constants(item: Item, source: bytes) -> Iterator[Definition]:
    node = item.node
    modifiers = next((text(child) for child in node.children if child.type == "modifiers"), "")
    if node.type == "field_declaration" and not all(word.search(modifiers) for word in _FIXED):
        return
    for declarator in node.children_by_field_name("declarator"):
        name = text(declarator.child_by_field_name("name"))
        yield constant(name, item, declarator.child_by_field_name("value"), source)


def _begin(node: Node, source: bytes) -> int:
    """Where a declaration begins, with a modifier that the tree of Kotlin does not have as such."""
    match = _LOST.search(source, max(0, node.start_byte - 20), node.start_byte)
    return match.start() if match else node.start_byte


def _annotations(node: Node) -> tuple[list[Node], Node]:
    """The annotations that a declaration begins with, and what it goes on with."""
    first = node.child(0)
    if first is None or first.type != "modifiers":
        return [], node
    annotations: list[Node] = []
    for child in first.children:
        if not child.type.endswith("annotation"):
            return annotations, child
        annotations.append(child)
    following = node.child(1)
    return (annotations, following) if following is not None else ([], node)
