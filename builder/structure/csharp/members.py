"""What the declaration of a C# type says of it: its name, modifiers, bases and members."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from builder.structure.csharp.facts import Member
from builder.structure.csharp.names import written
from builder.structure.syntax import text

if TYPE_CHECKING:
    from tree_sitter import Node

_BEFORE = ("attribute_list", "modifier", "comment")
_EXTENSION = re.compile(rb"\(\s*(?:\[[^\]]*\]\s*)*this\b")
_STATIC = {"static", "const"}


def modifiers(node: Node) -> frozenset[str]:
    """The words before a declaration."""
    found: set[str] = set()
    for child in node.children:
        if child.type == "modifier":
            found.add(text(child))
        elif child.type not in _BEFORE:
            break
    return frozenset(found)


def type_name(node: Node) -> str:
    """The name of the type that ``node`` declares."""
    name = written(node.child_by_field_name("name"))
    parameters = _child(node, "type_parameter_list")
    count = sum(child.type == "type_parameter" for child in parameters.children) if parameters else 0
    return f"{name}`{count}" if count else name


def bases(node: Node) -> Iterator[str]:
    """The types that a declaration lists behind its colon."""
    listed = _child(node, "base_list")
    for child in listed.named_children if listed is not None and node.type != "enum_declaration" else ():
        base = child.child_by_field_name("type") if child.type == "primary_constructor_base_type" else child
        if name := written(base):
            yield name


def members(node: Node, declared: Iterable[Node]) -> Iterator[Member]:
    """The members of a type that can be named in it: those ``declared`` and a record's parameters."""
    parameters = _child(node, "parameter_list") if node.type == "record_declaration" else None
    for child in parameters.named_children if parameters is not None else ():
        if child.type == "parameter":
            yield Member(written(child.child_by_field_name("name")), _type(child))
    for child in declared:
        if child.type == "enum_member_declaration":
            yield Member(written(child.child_by_field_name("name")), is_static=True)
        elif _child(child, "explicit_interface_specifier") is None:
            yield from _named(child)


def _named(node: Node) -> Iterator[Member]:
    is_static = not _STATIC.isdisjoint(modifiers(node))
    if node.type in ("field_declaration", "event_field_declaration"):
        variables = _child(node, "variable_declaration")
        for child in variables.named_children if variables is not None else ():
            if child.type == "variable_declarator" and variables is not None:
                yield Member(written(child.child_by_field_name("name")), _type(variables), is_static)
    elif node.type == "method_declaration":
        parameters = node.child_by_field_name("parameters")
        opening = (parameters.text or b"") if parameters is not None and is_static else b""
        is_extension = bool(_EXTENSION.match(opening))
        yield Member(written(node.child_by_field_name("name")), "", is_static, is_extension)
    elif node.type in ("property_declaration", "event_declaration"):
        yield Member(written(node.child_by_field_name("name")), _type(node), is_static)


def _type(node: Node) -> str:
    """The last part of the name of a member's type: a property may be called like it."""
    found = node.child_by_field_name("type")
    while found is not None and found.type == "nullable_type":
        found = found.child_by_field_name("type")
    return written(found).rpartition(".")[2].rpartition("::")[2]


def _child(node: Node, kind: str) -> Node | None:
    return next((child for child in node.children if child.type == kind), None)
