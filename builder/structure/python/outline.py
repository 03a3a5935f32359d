"""What an outline says of a Python file: signatures, decorators, first docstring lines, constants."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from builder.structure.syntax import bounded, captures, folded, lines, one_line, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

GRAMMAR = "tree_sitter_python"
_MAX_SIGNATURE = 300  # characters
_MAX_CONSTANT = 120
_MAX_DOC = 200
_CONSTANT = re.compile(r"_*[A-Z][A-Z0-9_]*")
_BEFORE_STRING = {bytes([byte]) for byte in b"\"'rRuUbBfF#"}  # what a body with a docstring may begin with


def definition(source: bytes, node: Node, wrapper: Node | None, holder: str, depth: int) -> Definition:
    """The entry of a class or function. ``wrapper`` is the node that adds its decorators, if any."""
    whole = wrapper or node
    decorators = [child for child in wrapper.named_children if child.type == "decorator"] if wrapper else []
    body = node.child_by_field_name("body")
    # Large repositories have a hundred thousand definitions: what bytes can tell asks no nodes.
    head = source[node.start_byte : body.start_byte if body else node.end_byte].rstrip()
    doc, doc_lines = _docstring(source, body)
    function = "method" if holder == "class" else "function"
    return Definition(
        kind="class" if node.type == "class_definition" else function,
        name=text(node.child_by_field_name("name")),
        signature=_signature(node, head),
        start_line=whole.start_point.row + 1,
        end_line=lines(whole)[-1],
        depth=depth,
        decorators=tuple(folded(GRAMMAR, decorator, _MAX_SIGNATURE) for decorator in decorators),
        doc=doc,
        signature_lines=frozenset(
            [*_head(node, body), *(line for decorator in decorators for line in lines(decorator)), *doc_lines]
        ),
    )


def constant(node: Node) -> Definition | None:
    """The entry of ``NAME = value``, ``name: type = value`` or ``type Name = value``; ``None`` for others."""
    statement: Node | None = node
    if node.type == "expression_statement":
        statement = node.named_child(0)
    if statement is None or statement.type not in ("assignment", "type_alias_statement"):
        return None
    declared = statement.type == "type_alias_statement" or statement.child_by_field_name("type") is not None
    name = text(statement.child_by_field_name("left"))
    if not (re.match(r"\w+(?:\[.*\])?$", name) if declared else _CONSTANT.fullmatch(name)):
        return None
    value = statement.child_by_field_name("right")
    shown = folded(GRAMMAR, statement, _MAX_CONSTANT)
    if value is not None and (len(lines(value)) > 1 or shown.endswith("…")):
        before = (statement.text or b"")[: value.start_byte - statement.start_byte]
        shown = bounded(" ".join(before.decode("utf-8", "replace").split()), _MAX_CONSTANT) + " …"
    first = node.start_point.row + 1
    return Definition("constant", name, shown, first, lines(node)[-1], signature_lines=frozenset({first}))


def _signature(node: Node, head: bytes) -> str:
    """``head``, everything of a definition before its body, on one line."""
    if b"#" in head:
        comments = captures(GRAMMAR, "(comment) @comment", node, node.start_byte + len(head))
        for start, end in reversed([(found.start_byte, found.end_byte) for found in comments]):
            head = head[: start - node.start_byte] + head[end - node.start_byte :]
    return one_line(head.rstrip().removesuffix(b":"), _MAX_SIGNATURE)


def _head(node: Node, body: Node | None) -> range:
    """The lines of a signature. One that also holds body is left out: the outline does not show all of it."""
    colon = next((child for child in reversed(node.children) if child.type == ":"), None)
    if colon is None or body is None:
        return lines(node)[:1]
    start, end = node.start_point.row, colon.start_point.row
    return range(start + 1, end + 2 - (body.start_point.row == end and body.end_byte > body.start_byte))


def _docstring(source: bytes, body: Node | None) -> tuple[str, list[int]]:
    """The first line with text of a body's docstring, and where it stands."""
    if body is None or source[body.start_byte : body.start_byte + 1] not in _BEFORE_STRING:
        return "", []
    first = next((child for child in body.named_children if child.type != "comment"), None)
    string = first.named_child(0) if first and first.type == "expression_statement" else None
    if first is None or string is None or string.type != "string" or first.named_child_count != 1:
        return "", []
    content = "".join(text(part) for part in string.named_children if part.type == "string_content")
    for offset, line in enumerate(content.split("\n")):
        if line.strip():
            return bounded(line.strip(), _MAX_DOC), [string.start_point.row + 1 + offset]
    return "", []
