"""What an outline says of a Kotlin file: types, functions and constants, with their annotations and KDoc."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from builder.structure.comments import with_comments
from builder.structure.jvm.java_outline import Item, constant, entry
from builder.structure.syntax import text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

_BLOCKS = {"source_file", "ERROR"}
_BODIES = ("class_body", "enum_class_body", "function_body", "block")
_TYPES = ("class_declaration", "object_declaration", "companion_object")
_KIND = re.compile(r"\b(?:(enum|annotation) class|(interface|object)|(class))\b")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*")


def outline(root: Node, source: bytes) -> Iterator[Definition]:
    """The entries of a file in the order of its text; nothing inside functions."""
    stack = [Item(root, None, 0)]
    while stack:
        item = stack.pop()
        node, inner, depth = item.node, None, item.depth
        body = next((child for child in node.named_children if child.type in _BODIES), None)
        if node.type in _BLOCKS:
            inner = node
        elif node.type in _TYPES:
            inner = body
            name = text(node.child_by_field_name("name")) or "Companion"
            yield _type(name, item, body, source)
            depth += 1
        elif node.type == "function_declaration":
            kind = "method" if depth else "function"
            yield entry(kind, text(node.child_by_field_name("name")), item, body, source)
        elif node.type == "secondary_constructor":
            yield entry("method", "constructor", item, body, source)
        elif node.type == "type_alias":
            yield entry("type", text(node.child_by_field_name("type")), item, None, source)
        elif node.type == "property_declaration":
            yield from _constant(item, source)
        if inner is not None:
            stack += reversed([Item(child, comment, depth) for child, comment in with_comments(inner)])


def _type(name: str, item: Item, body: Node | None, source: bytes) -> Definition:
    """The entry of a type, of the kind that its keywords say."""
    found = entry("class", name, item, body, source)
    match = _KIND.search(found.signature)
    return replace(found, kind=match[1] or match[2] or match[3]) if match else found


def _constant(item: Item, source: bytes) -> Iterator[Definition]:
    """Properties that are constants by their modifier or by their name."""
    modifiers = next((text(child) for child in item.node.children if child.type == "modifiers"), "")
    parts = item.node.children
    named = next((part for part in parts if part.type == "variable_declaration"), None)
    name = text(next(iter(named.named_children), None)) if named is not None else ""
    if not name or not ("const" in modifiers.split() or _CONSTANT.fullmatch(name)):
        return
    equals = next((number for number, part in enumerate(parts) if part.type == "="), len(parts))
    value = next((part for part in parts[equals + 1 :] if part.is_named), None)
    yield constant(name, item, value, source)
