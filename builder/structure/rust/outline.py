"""The outline of a Rust file, and the lines that no score counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from builder.structure.comments import MAX_SIGNATURE, doc_line, one_line
from builder.structure.syntax import bounded, lines, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

_KINDS = {
    "function_item": "function", "function_signature_item": "function", "struct_item": "struct",
    "enum_item": "enum", "union_item": "union", "trait_item": "trait", "impl_item": "impl",
    "type_item": "type",
    "associated_type": "type", "const_item": "constant", "static_item": "static", "macro_definition": "macro",
    "mod_item": "module",
}  # fmt: skip
_NESTING = ("trait_item", "impl_item", "mod_item", "foreign_mod_item")
_VALUES = ("const_item", "static_item")
COMMENTS = ("line_comment", "block_comment")
_IMPORTS = ("use_declaration", "extern_crate_declaration")
_MAX_VALUE = 120


def outline(source: bytes, root: Node) -> tuple[Definition, ...]:
    """The definitions of a file, those in blocks of ``impl``, ``trait``, ``mod`` and ``extern`` included."""
    found: list[Definition] = []
    stack: list[tuple[Node, Node | None, list[Node], int, bool]] = [
        (*entry, 0, False) for entry in reversed(list(_items(root)))
    ]
    while stack:
        node, comment, given, depth, in_type = stack.pop()
        body = node.child_by_field_name("body")
        if node.type in _KINDS and (node.type != "mod_item" or body):
            found.append(_entry(source, node, body, comment, given, depth, in_type))
            depth += 1
        if node.type in _NESTING and body:
            is_type = node.type in ("trait_item", "impl_item")
            stack += [(*entry, depth, is_type) for entry in reversed(list(_items(body)))]
    return tuple(found)


def header_lines(root: Node) -> frozenset[int]:
    """The lines of the comments at the top, and of what a module imports or declares elsewhere."""
    found: set[int] = set()
    at_top = True
    stack = [(root, True)]
    while stack:
        block, is_root = stack.pop()
        given: list[Node] = []
        for child in block.named_children:
            if child.type == "attribute_item":
                given.append(child)
                at_top = False
            elif child.type in COMMENTS:
                if at_top and is_root:
                    found.update(lines(child))
            else:
                at_top = at_top and child.type == "inner_attribute_item"
                body = child.child_by_field_name("body") if child.type == "mod_item" else None
                if body:
                    stack.append((body, False))
                elif child.type in ("mod_item", *_IMPORTS):
                    for node in (*given, child):
                        found.update(lines(node))
                given = []
    return frozenset(found)


def _items(block: Node) -> Iterator[tuple[Node, Node | None, list[Node]]]:
    """The children of a block, each with the first line of its documentation and with its attributes."""
    doc: Node | None = None
    given: list[Node] = []
    for child in block.named_children:
        if child.type == "attribute_item":
            given.append(child)
        elif child.type in COMMENTS:
            if doc is None and child.child_by_field_name("outer"):
                doc = child
        else:
            yield child, doc, given
            doc, given = None, []


def _entry(
    source: bytes,
    node: Node,
    body: Node | None,
    comment: Node | None,
    given: list[Node],
    depth: int,
    in_type: bool,
) -> Definition:
    kind = _KINDS[node.type]
    if kind == "function" and in_type:
        kind = "method"
    doc, said = doc_line(comment)
    start, last = node.start_point.row + 1, lines(node)[-1]
    head = range(start, last + 1)
    if kind == "macro":
        signature, head = (
            f"macro_rules! {text(node.child_by_field_name('name'))}",
            range(start, start + (last > start)),
        )
    elif body is not None and body.type != "ordered_field_declaration_list":
        signature = one_line(source, node.start_byte, body.start_byte)
        opening = body.start_point.row
        # A line that also holds body is not all shown.
        head = range(start, opening + 2 - (last - 1 == opening))
    else:
        signature = one_line(source, node.start_byte, node.end_byte)
        value = node.child_by_field_name("value") if node.type in _VALUES else None
        if value is not None and (last > start or len(signature) > _MAX_VALUE):
            signature = one_line(source, node.start_byte, value.start_byte).rstrip("= ") + " = …"
            head = range(start, value.start_point.row + 1)
    decorators = tuple(bounded(one_line(source, a.start_byte, a.end_byte), MAX_SIGNATURE) for a in given)
    shown = {line for attribute in given for line in lines(attribute)}
    return Definition(
        kind, _name(node), signature, start, last, depth, decorators, doc, frozenset([*head, *shown, *said])
    )


def _name(node: Node) -> str:
    named = node.child_by_field_name("name")
    return bounded(text(named or node.child_by_field_name("type")), 100).removeprefix("r#")
