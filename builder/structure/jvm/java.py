"""One Java file by itself: imports, types and the names it uses; see :mod:`builder.structure.jvm`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from builder.structure.jvm.blocks import Block, around, dotted, nested, words
from builder.structure.jvm.java_members import QUERY, members
from builder.structure.jvm.java_outline import outline
from builder.structure.jvm.resolve import link
from builder.structure.languages import Facts, Import
from builder.structure.syntax import captures_by_name, lines, parse, text

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["link", "scan"]

GRAMMAR = "tree_sitter_java"
# Dotted names are read from where they begin. `part` are pieces of one, and names that a declaration gives;
# `own` are variables: they hide types where an expression begins with a name.
_NAMES = """
(package_declaration) @package
(import_declaration) @import
[(class_declaration) (interface_declaration) (enum_declaration) (record_declaration)
 (annotation_type_declaration)] @type
(object_creation_expression (class_body)) @anonymous
(enum_constant body: (class_body)) @anonymous
(block [(class_declaration) (interface_declaration) (enum_declaration) (record_declaration)] @local)
(constructor_body [(class_declaration) (interface_declaration) (enum_declaration)] @local)
(switch_block_statement_group (class_declaration) @local)
[(method_declaration type_parameters: (_)) (constructor_declaration type_parameters: (_))] @generic
(type_parameter (type_identifier) @part)
(scoped_type_identifier (type_identifier) @part .)
(object_creation_expression (_) "." type: [(type_identifier) (generic_type . (type_identifier))] @part)
(type_identifier) @name
[(annotation name: (_) @name) (marker_annotation name: (_) @name)]
(field_access object: (identifier) @root)
(method_invocation object: (identifier) @root)
(method_reference . (identifier) @root)
(variable_declarator name: (identifier) @own)
(formal_parameter name: (identifier) @own)
(catch_formal_parameter name: (identifier) @own)
(resource name: (identifier) @own)
(enhanced_for_statement name: (identifier) @own)
(instanceof_expression name: (identifier) @own)
(type_pattern (identifier) @own)
(lambda_expression parameters: (identifier) @own)
(inferred_parameters (identifier) @own)
"""
_SUPERTYPES = ("superclass", "super_interfaces", "extends_interfaces")


def scan(source: bytes) -> Facts:
    """Read one file. A text with syntax errors gives what parses of it."""
    root = parse(GRAMMAR, source)
    found = captures_by_name(GRAMMAR, _NAMES + QUERY, root)
    facts: dict[Import, None] = {}
    for node in found.get("package", ())[:1]:
        facts[Import(dotted(source, node.named_children[-1].start_byte), kind="package")] = None
    for node in found.get("import", ()):
        written = words(text(node))[1:]
        is_static = written[:1] == ["static"]
        name = "".join(written[is_static:])
        if name.strip(".*"):
            on_demand = "*" if name.endswith(".*") else ""
            facts[Import(name.removesuffix(".*"), on_demand, form="static" if is_static else "")] = None
    facts.update(dict.fromkeys(_names(found, source)))
    return Facts(tuple(facts), tuple(outline(root, source)), frozenset(_header(root, found)))


def _header(root: Node, found: Mapping[str, list[Node]]) -> Iterator[int]:
    for node in found.get("import", ()):
        yield from lines(node)
    leading: list[range] = []
    for child in root.named_children:
        if not child.type.endswith("comment"):
            # A comment on a type is no header.
            yield from (line for rows in leading[: None if "package" in found else -1] for line in rows)
            return
        leading.append(lines(child))
    yield from (line for rows in leading for line in rows)


def _names(found: Mapping[str, list[Node]], source: bytes) -> Iterator[Import]:
    """Types, their supertypes, and what is used where."""
    blocks: list[Block] = []
    types: list[tuple[Block, Node]] = []
    local = {node.id for node in found.get("local", ())}
    hidden: list[tuple[int, str]] = []
    for number, node in enumerate([*found.get("type", ()), *found.get("anonymous", ())]):
        name = text(node.child_by_field_name("name"))
        body = node.child_by_field_name("body") or node.named_children[-1]
        is_named = node.type.endswith("declaration")
        if is_named and node.id in local:
            hidden.append((node.start_byte, name))
        if node.id in local or not is_named:
            name = str(number)
        block = Block(body.start_byte, body.end_byte, name)
        blocks.append(block)
        types.append((block, node))
        if is_named and (parameters := node.child_by_field_name("type_parameters")):
            blocks.append(Block(node.start_byte, node.end_byte, hidden=_parameters(parameters)))
    for node in found.get("generic", ()):
        parameters = node.child_by_field_name("type_parameters")
        blocks.append(Block(node.start_byte, node.end_byte, hidden=_parameters(parameters)))
    ordered = nested(blocks, hidden)
    for block, node in types:
        yield Import(block.path, kind="type")
        for base in _supertypes(node):
            yield Import(block.path, dotted(source, base.start_byte), kind="extends")
    yield from _uses(found, source, ordered)
    yield from members(found, source, ordered)


def _uses(found: Mapping[str, list[Node]], source: bytes, ordered: list[Block]) -> Iterator[Import]:
    own = {node.text for node in found.get("own", ())}
    parts = {node.id for node in found.get("part", ())}
    places = [(node.start_byte, "") for node in found.get("name", ()) if node.id not in parts]
    places += [(node.start_byte, "") for node in found.get("root", ()) if node.text not in own]
    for (start, _), block in around(ordered, places):
        name = dotted(source, start)
        if block is None:
            yield Import("", name, kind="use")
        elif name.partition(".")[0] not in block.hidden:
            yield Import(block.path, name, kind="use")


def _parameters(parameters: Node | None) -> set[str]:
    children = parameters.named_children if parameters else []
    return {
        text(part) for child in children for part in child.named_children if part.type == "type_identifier"
    }


def _supertypes(node: Node) -> Iterator[Node]:
    if node.type == "object_creation_expression" and (base := node.child_by_field_name("type")):
        yield base
    for child in node.named_children:
        if child.type in _SUPERTYPES:
            for base in child.named_children:
                yield from base.named_children if base.type == "type_list" else (base,)
