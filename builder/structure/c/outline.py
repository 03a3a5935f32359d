"""What an outline says of a C or C++ file: types, functions, macros, with the comments before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from builder.structure.comments import MAX_SIGNATURE, doc_line, one_line, with_comments, without_comments
from builder.structure.syntax import bounded, lines, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_CONSTANT = 120
_BLOCKS = {
    "translation_unit", "declaration_list", "field_declaration_list", "linkage_specification", "preproc_if",
    "preproc_ifdef", "preproc_else", "preproc_elif", "preproc_elifdef", "ERROR",
}  # fmt: skip
_TYPES = {
    "class_specifier": "class", "struct_specifier": "struct", "union_specifier": "union",
    "enum_specifier": "enum",
}  # fmt: skip
_ALIASES = {"type_definition", "alias_declaration", "concept_definition"}
_DECLARATIONS = {"declaration", "field_declaration", "function_definition"}
_WRAPPERS = {"template_declaration", "friend_declaration"}
_DECLARATORS = {
    "pointer_declarator", "reference_declarator", "array_declarator", "function_declarator",
    "init_declarator", "attributed_declarator", "parenthesized_declarator",
}  # fmt: skip
_NAME_OF_CLASS = re.compile(r"(\w+)(?: final)?\s*(?:(?<!:):(?!:).*)?$")
_FIXED = re.compile(r"\b(?:const|constexpr|constinit)\b")


@dataclass(frozen=True)
class _Place:
    """Where a node stands. Signatures are cut out of ``source``: a node's text is a copy at each level."""

    source: bytes
    depth: int = 0
    in_class: bool = False
    wrapper: Node | None = None  # a template's node, which begins before the definition's own


def outline(root: Node, source: bytes, guards: frozenset[str]) -> tuple[Definition, ...]:
    """The definitions below ``root`` in the order of the text; function bodies are not entered."""
    found: list[Definition] = []
    stack: list[tuple[Node, _Place, Node | None]] = [(root, _Place(source), None)]
    while stack:
        node, place, before = stack.pop()
        inner: Node | None = None
        below = place
        if node.type in _BLOCKS:
            inner = node
        elif node.type in _WRAPPERS:
            own = node.named_children[-1] if node.named_child_count else None
            if own is not None and node.type == "template_declaration":
                stack.append((own, replace(place, wrapper=place.wrapper or node), before))
        elif node.type == "namespace_definition":
            inner = node.child_by_field_name("body")
            if name := text(node.child_by_field_name("name")):
                found.append(_entry("namespace", name, node, inner, place, before))
                below = replace(place, depth=place.depth + 1)
        elif node.type in ("preproc_def", "preproc_function_def"):
            found += _macro(node, guards, place, before)
        elif node.type in _TYPES or node.type in _ALIASES or node.type in _DECLARATIONS:
            entry, inner = _declared(node, place, before)
            if entry is not None:
                found.append(entry)
                below = _Place(source, place.depth + 1, in_class=True)
        if inner is not None:
            stack += reversed(list(_children(inner, below)))
    return tuple(found)


def _children(node: Node, place: _Place) -> Iterator[tuple[Node, _Place, Node | None]]:
    """The children of a block, each with the first of the comments that end on the line before it."""
    place = replace(place, wrapper=None)
    yield from ((child, place, before) for child, before in with_comments(node))


def _declared(node: Node, place: _Place, before: Node | None) -> tuple[Definition | None, Node | None]:
    """The entry of a declaration, and the body below which more is declared."""
    specifier = node if node.type in _TYPES else node.child_by_field_name("type")
    declarator = node.child_by_field_name("declarator")
    body: Node | None
    if specifier is not None and specifier.type in _TYPES:
        kind, name = _TYPES[specifier.type], specifier.child_by_field_name("name")
        body = specifier.child_by_field_name("body")
        if body is None and node.type == "function_definition" and _function(declarator) is None:
            # `class EXPORT Name : Base {` is a function to the grammar.
            body = node.child_by_field_name("body")
            head = one_line(place.source, node.start_byte, body.start_byte) if body else ""
            match = _NAME_OF_CLASS.search(head)
            if body is not None and match:
                return _entry(kind, match[1], node, body, place, before), body
        if body is not None and not (node.type == "function_definition" and _function(declarator)):
            entry = _type(kind, name, node, body, place, before)
            return entry, None if kind == "enum" else body
    if node.type in _ALIASES:
        name = node.child_by_field_name("name") or _named(declarator)
        return (_entry("type", _squeezed(name), node, None, place, before) if name else None), None
    if function := _function(declarator):
        initializers = (child for child in node.named_children if child.type == "field_initializer_list")
        body = next(initializers, node.child_by_field_name("body"))
        name = function.child_by_field_name("declarator") if function.type != "operator_cast" else None
        written = _squeezed(name) if name else f"operator {text(function.child_by_field_name('type'))}"
        kind = "method" if place.in_class or "::" in written else "function"
        return _entry(kind, written, node, body, place, before), None
    if node.type == "declaration" and not place.in_class and _is_constant(node, declarator, place):
        value = declarator.child_by_field_name("value") if declarator else None
        return _constant(_squeezed(_named(declarator)), value, node, place, before), None
    return None, None


def _is_constant(node: Node, declarator: Node | None, place: _Place) -> bool:
    if declarator is None or declarator.type != "init_declarator":
        return False
    return bool(_FIXED.search(one_line(place.source, node.start_byte, declarator.start_byte)))


def _type(
    kind: str, name: Node | None, node: Node, body: Node, place: _Place, before: Node | None
) -> Definition | None:
    """The entry of a type with a body, by its typedef's name where it has one."""
    behind = _named(node.child_by_field_name("declarator"))
    by_typedef = behind is not None and (node.type == "type_definition" or name is None)
    name = behind if by_typedef else name
    if name is None:
        return None
    entry = _entry(kind, _squeezed(name), node, body, place, before)
    if not by_typedef:
        return entry
    rest = one_line(place.source, body.end_byte, node.end_byte)
    return replace(entry, signature=bounded(f"{entry.signature} {{ … }} {rest}", MAX_SIGNATURE))


def _entry(
    kind: str, name: str, node: Node, body: Node | None, place: _Place, before: Node | None
) -> Definition:
    whole = place.wrapper or node
    doc, shown = doc_line(before)
    head = range(whole.start_point.row + 1, lines(node)[-1] + 1)
    if body is not None:
        opening = body.start_point.row
        head = range(head.start, opening + 2 - _begins_beside(body))
    return Definition(
        kind,
        name,
        one_line(place.source, whole.start_byte, body.start_byte if body else node.end_byte),
        whole.start_point.row + 1,
        lines(whole)[-1],
        place.depth,
        doc=doc,
        signature_lines=frozenset([*head, *shown]),
    )


def _begins_beside(body: Node) -> bool:
    """Whether some of a body stands on the line that opens it: the outline does not show all of that line."""
    if body.type == "preproc_arg":
        return not text(body).startswith("\\")
    first = body.child(1) if body.child_count > 1 else None
    return first is not None and first.start_point.row == body.start_point.row


def _constant(name: str, value: Node | None, node: Node, place: _Place, before: Node | None) -> Definition:
    """An entry that shows its value if that is short and on one line."""
    shown = one_line(place.source, node.start_byte, node.end_byte)
    if value is not None and (len(lines(node)) > 1 or len(shown) > _MAX_CONSTANT):
        shown = one_line(place.source, node.start_byte, value.start_byte).rstrip("= ") + " …"
    entry = _entry("constant", name, node, None, place, before)
    # The first line is the one that is shown, as far as it is.
    dropped = frozenset(range(entry.start_line + 1, entry.end_line + 1))
    return replace(entry, signature=shown, signature_lines=entry.signature_lines - dropped)


def _macro(node: Node, guards: frozenset[str], place: _Place, before: Node | None) -> Iterator[Definition]:
    """A macro that stands for something; an empty one is a switch and is not shown."""
    name, value = text(node.child_by_field_name("name")), node.child_by_field_name("value")
    if node.type == "preproc_function_def":
        yield _entry("macro", name, node, value, place, before)
    elif value is not None and name not in guards:
        yield _constant(name, value, node, place, before)


def _function(declarator: Node | None) -> Node | None:
    """The node that makes a declarator a function's; ``None`` for a variable, also one that points to one."""
    while declarator is not None:
        if declarator.type == "operator_cast":
            return declarator
        if declarator.type == "function_declarator":
            name = declarator.child_by_field_name("declarator")
            return declarator if name is not None and name.type not in _DECLARATORS else None
        declarator = _inner(declarator)
    return None


def _named(declarator: Node | None) -> Node | None:
    while declarator is not None and declarator.type in _DECLARATORS:
        declarator = _inner(declarator)
    return declarator


def _inner(declarator: Node) -> Node | None:
    if declarator.type not in _DECLARATORS:
        return None
    # References and parentheses do not name their part.
    return declarator.child_by_field_name("declarator") or next(reversed(declarator.named_children), None)


def _squeezed(node: Node | None) -> str:
    return bounded(" ".join(without_comments(text(node)).split()), _MAX_CONSTANT)
