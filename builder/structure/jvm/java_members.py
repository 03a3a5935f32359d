"""What the members of a Java file's types are, and which members of which values it asks for.

An expression is written as a value and the members asked of it, with blanks between: ``:Type`` is a value of
that type, ``?name`` a field or type that a lone name means, ``^`` the object itself, ``^^`` what it inherits
from. A member is a field's name, or a method's with the number of its arguments and those of them that are
such values alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from builder.structure.jvm.blocks import Block, around, dotted
from builder.structure.languages import Import
from builder.structure.syntax import text

if TYPE_CHECKING:
    from tree_sitter import Node

QUERY = """
[(method_declaration) (constructor_declaration) (annotation_type_element_declaration)] @method
(field_declaration) @field
(constant_declaration) @field
(enum_constant) @constant
[(local_variable_declaration) (formal_parameter) (spread_parameter) (enhanced_for_statement) (resource)
 (catch_formal_parameter) (instanceof_expression name: (_))] @variable
[(block) (constructor_body) (switch_block) (enhanced_for_statement) (for_statement) (catch_clause)
 (try_with_resources_statement) (lambda_expression) (record_declaration)] @within
(lambda_expression parameters: (identifier) @untyped)
(inferred_parameters (identifier) @untyped)
[(method_invocation) (field_access) (object_creation_expression) (cast_expression) (parenthesized_expression)
 (array_access) (explicit_constructor_invocation)] @expression
"""
_MAX_CHAIN = 300  # characters of an expression, past which it is not followed
_MAX_ARGUMENTS, _MAX_ARGUMENT = 4, 60  # that are looked at, and the characters of one
_MAX_NAMESAKES = 50  # variables of one name that are looked at

# Of each name where variables are declared, where what they are seen in ends, and their types.
Variables = Mapping[str, list[tuple[int, int, str]]]


def members(found: Mapping[str, list[Node]], source: bytes, ordered: list[Block]) -> Iterator[Import]:
    """The signatures of members, and the expressions that ask for members."""
    places: list[tuple[int, Node]] = []
    for capture in ("method", "field", "constant"):
        for node in found.get(capture, ()):
            name = node.child_by_field_name("name") or node.child_by_field_name("declarator") or node
            places.append((name.start_byte, node))
    for (_, node), block in around(ordered, places):
        if block is not None:
            yield from _signatures(node, block, source)
    variables = _variables(found, source)
    expressions = sorted(found.get("expression", ()), key=lambda node: node.end_byte)
    known: dict[int, str] = {}
    asked: list[tuple[int, str]] = []
    for node in expressions:
        value = _value(node, known, variables, source)
        if value and len(value) < _MAX_CHAIN:
            known[node.id] = value
            if node.type == "object_creation_expression":
                value = f"{value} <init>/{_arguments(node, known, variables)}"
            if " " in value:
                asked.append((node.start_byte, value))
    for (_, value), block in around(ordered, asked):
        if block is not None and value.partition(" ")[0].lstrip(":") not in block.hidden:
            yield Import(block.path, value, kind="asked")


def _signatures(node: Node, block: Block, source: bytes) -> Iterator[Import]:
    def shown(kind: Node | None) -> str:
        name = dotted(source, kind.start_byte) if kind is not None else ""
        return "" if name in block.hidden else name

    if node.type == "enum_constant":
        own = block.path.rpartition(".")[2]
        yield Import(block.path, text(node.child_by_field_name("name")), kind="signature", form=f"={own}")
    elif node.type in ("field_declaration", "constant_declaration"):
        form = "=" + shown(node.child_by_field_name("type"))
        for declarator in node.children_by_field_name("declarator"):
            name = text(declarator.child_by_field_name("name"))
            yield Import(block.path, name, kind="signature", form=form)
    else:
        parameters = node.child_by_field_name("parameters")
        parts = parameters.named_children if parameters else []
        types = []
        for part in parts:
            if part.type == "formal_parameter":
                types.append(shown(part.child_by_field_name("type")))
            elif part.type == "spread_parameter":
                kind = next((child for child in part.named_children if child.type != "modifiers"), None)
                types.append(shown(kind) + "*")
        is_constructor = node.type == "constructor_declaration"
        name = "<init>" if is_constructor else text(node.child_by_field_name("name"))
        given = "" if is_constructor else shown(node.child_by_field_name("type"))
        yield Import(block.path, name, kind="signature", form=",".join([given, *types]))


def _variables(found: Mapping[str, list[Node]], source: bytes) -> Variables:
    stretches = [*found.get("method", ()), *found.get("within", ())]
    scopes = [Block(node.start_byte, node.end_byte) for node in stretches]
    scopes.sort(key=lambda block: (block.start, -block.end))
    places: list[tuple[int, tuple[str, str]]] = []
    for node in found.get("variable", ()):
        kind = node.child_by_field_name("type") or node.child_by_field_name("right")
        if kind is None:
            kind = next((child for child in node.named_children if child.type != "modifiers"), None)
        written = dotted(source, kind.start_byte) if kind is not None else ""
        written = "" if written == "var" else written
        names = [node.child_by_field_name("name")]
        if node.type in ("local_variable_declaration", "spread_parameter"):
            declarators = [child for child in node.named_children if child.type == "variable_declarator"]
            names = [declarator.child_by_field_name("name") for declarator in declarators]
        places += [(name.start_byte, (text(name), written)) for name in names if name is not None]
    places += [(node.start_byte, (text(node), "")) for node in found.get("untyped", ())]
    variables: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for (start, (name, written)), block in around(scopes, places):
        variables[name].append((start, block.end if block else len(source), written))
    return variables


def _value(node: Node, known: Mapping[int, str], variables: Variables, source: bytes) -> str:
    """What an expression is, in this module's notation; ``""`` where that cannot be said."""
    if node.type in ("object_creation_expression", "cast_expression"):
        return _typed(node.child_by_field_name("type"), source)
    if node.type == "parenthesized_expression":
        return _operand(next(iter(node.named_children), None), known, variables)
    if node.type == "array_access":
        return _operand(node.child_by_field_name("array"), known, variables)
    if node.type == "explicit_constructor_invocation":
        is_super = text(node.child_by_field_name("constructor")) == "super"
        return f"{'^^' if is_super else '^'} <init>/{_arguments(node, known, variables)}"
    target = node.child_by_field_name("object")
    if node.type == "field_access":
        value = _operand(target, known, variables)
        field = text(node.child_by_field_name("field"))
        return f"{value} {field}" if value and field != "this" else ""
    value = _operand(target, known, variables) if target is not None else "^"
    name = text(node.child_by_field_name("name"))
    return f"{value} {name}/{_arguments(node, known, variables)}" if value else ""


def _operand(node: Node | None, known: Mapping[int, str], variables: Variables) -> str:
    if node is None:
        return ""
    if node.type == "identifier":
        name = text(node)
        namesakes = variables.get(name, [])
        latest = bisect_left(namesakes, (node.start_byte + 1, 0, ""))
        for _, end, written in reversed(namesakes[max(0, latest - _MAX_NAMESAKES) : latest]):
            if node.start_byte < end:
                return f":{written}" if written else ""
        return f"?{name}"
    if node.type in ("this", "super"):
        return "^"
    return known.get(node.id, "")


def _typed(node: Node | None, source: bytes) -> str:
    name = dotted(source, node.start_byte) if node is not None else ""
    return f":{name}" if name else ""


def _arguments(node: Node, known: Mapping[int, str], variables: Variables) -> str:
    """How many arguments a call has, and which values they are."""
    arguments = node.child_by_field_name("arguments")
    children = [part for part in arguments.named_children if not part.is_extra] if arguments else []
    values = [_operand(part, known, variables) for part in children[:_MAX_ARGUMENTS]]
    said = ",".join("" if " " in value or len(value) > _MAX_ARGUMENT else value for value in values)
    return f"{len(children)}/{said}"
