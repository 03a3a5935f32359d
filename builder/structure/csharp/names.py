"""Names of C# as the syntax tree has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.structure.syntax import text

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_PARTS = 20


def written(node: Node | None) -> str:
    """A name as :mod:`builder.structure.csharp.facts` writes it; ``""`` for what is none."""
    if node is None:
        return ""
    if node.type in ("identifier", "implicit_parameter"):
        return text(node).removeprefix("@")
    parts: list[str] = []
    for _ in range(_MAX_PARTS):
        if node is None or node.type not in ("qualified_name", "alias_qualified_name"):
            break
        parts.append(_simple(node.child_by_field_name("name")))
        if node.type == "alias_qualified_name":
            alias = text(node.child_by_field_name("alias") or node.child(0)).removeprefix("@")
            return f"{alias}::" + ".".join(reversed(parts))
        node = node.child_by_field_name("qualifier")
    parts.append(_simple(node))
    return ".".join(reversed(parts)) if all(parts) else ""


def _simple(node: Node | None) -> str:
    if node is None or node.type not in ("identifier", "generic_name"):
        return ""
    if node.type == "identifier":
        return text(node).removeprefix("@")
    arguments = next((child for child in node.named_children if child.type == "type_argument_list"), None)
    name = text(node.named_child(0)).removeprefix("@")
    if arguments is None:
        return name
    # `Map<,>` leaves them open.
    num_commas = sum(child.type == "," for child in arguments.children)
    return f"{name}`{num_commas + 1}"
