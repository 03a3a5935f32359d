"""What an outline says of a PHP file: functions, classes and what is like them, with their members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from builder.structure.comments import MAX_SIGNATURE, doc_line, with_comments
from builder.structure.syntax import captures, lines, one_line, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

GRAMMAR = "tree_sitter_php:language_php"
CLASSES = {
    "class_declaration": "class", "interface_declaration": "interface", "trait_declaration": "trait",
    "enum_declaration": "enum",
}  # fmt: skip
_FUNCTIONS = {"function_definition": "function", "method_declaration": "method"}
_VALUES = {
    "const_declaration": ("constant", "const_element"),
    "property_declaration": ("property", "property_element"),
    "enum_case": ("case", ""),
}
_MAX_VALUE = 120
_BODIES = ("property_hook_list", "compound_statement")


def definitions(node: Node, comment: Node | None, source: bytes) -> Iterator[Definition]:
    """The entries of one statement that stands in no function, and those of its members."""
    if node.type not in CLASSES:
        yield from _member(node, comment, source, 0)
        return
    yield _entry(CLASSES[node.type], node, node.child_by_field_name("body"), comment, source, 0)
    body = node.child_by_field_name("body")
    for member, before in with_comments(body) if body is not None else ():
        yield from _member(member, before, source, 1)


def _member(node: Node, comment: Node | None, source: bytes, depth: int) -> Iterator[Definition]:
    if node.type in _FUNCTIONS:
        body = node.child_by_field_name("body")
        yield _entry(_FUNCTIONS[node.type], node, body, comment, source, depth)
    elif node.type in _VALUES:
        kind, element = _VALUES[node.type]
        children = node.named_children
        body = next((child for child in children if child.type in _BODIES), None)
        for named in [child for child in children if child.type == element] if element else [node]:
            yield _entry(kind, node, body, comment, source, depth, named)


def _entry(
    kind: str,
    node: Node,
    body: Node | None,
    comment: Node | None,
    source: bytes,
    depth: int,
    named: Node | None = None,
) -> Definition:
    """``named`` is the part of a statement that gives one value its name, where it may hold several."""
    before = node.child(0)
    attributes = before.named_children if before is not None and before.type == "attribute_list" else []
    first = node.child(1) if attributes else None
    start = first if first is not None else node
    end = body.start_byte if body is not None else node.end_byte
    signature = _shown(node, start.start_byte, end, source)
    head = set(range(node.start_point.row + 1, lines(node)[-1] + 1))
    if (
        named is not None
        and body is None
        and (len(lines(node)) > len(attributes) + 1 or len(signature) > _MAX_VALUE)
    ):
        # A long value is not shown.
        signature = _shown(node, start.start_byte, _end_of_name(named), source) + " …"
        head = set(range(node.start_point.row + 1, start.start_point.row + 2))
    if body is not None:
        # A line that also holds body is not all shown, and one with a bracket alone shows nothing.
        opening = body.start_point.row
        dropped = node.end_point.row == opening or _begins_its_line(body, source)
        head = set(range(node.start_point.row + 1, opening + 2 - dropped))
    doc, said = doc_line(comment) if comment is not None and text(comment).startswith("/**") else ("", [])
    if doc.startswith(("@", "{@")):  # a tag, which summarises nothing
        doc, said = "", []
    return Definition(
        kind,
        _name(named or node),
        signature,
        node.start_point.row + 1,
        lines(node)[-1],
        depth,
        tuple(_shown(group, group.start_byte, group.end_byte, source) for group in attributes),
        doc,
        frozenset([*head, *said]),
    )


def _name(node: Node) -> str:
    name = node.child_by_field_name("name")
    return text(name if name is not None else node.named_child(0))


def _end_of_name(node: Node) -> int:
    name = node.child_by_field_name("name") or node.named_child(0)
    return name.end_byte if name is not None else node.end_byte


def _begins_its_line(node: Node, source: bytes) -> bool:
    """Whether only spaces stand before a node."""
    start = source.rfind(b"\n", 0, node.start_byte) + 1
    return node.start_byte - start < 200 and not source[start : node.start_byte].strip()


def _shown(node: Node, start: int, end: int, source: bytes) -> str:
    """A stretch of a node on one line, without comments and the mark that ends it."""
    stretch = source[start:end]
    if b"\n" in stretch or b"/*" in stretch:
        for comment in reversed(captures(GRAMMAR, "(comment) @comment", node, end)):
            if comment.start_byte >= start:
                stretch = stretch[: comment.start_byte - start] + stretch[comment.end_byte - start :]
    return one_line(stretch.rstrip().removesuffix(b";").rstrip(), MAX_SIGNATURE)
