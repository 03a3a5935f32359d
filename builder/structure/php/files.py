"""Paths as PHP code writes them for `include` and `define`, as far as they can be told without running it.

Such a path becomes a template: literal text, ``{__DIR__}`` for the folder of the file that it stands in, and
``{NAME}`` for a constant, with ``{SPACE\\NAME|NAME}`` where one of several may be meant.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from builder.structure.php.names import Namespace
from builder.structure.syntax import text

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_PARTS = 64
_DIRNAME = "dirname"
_PLAIN = re.compile(r"[^{}|\\\n]*")


def template(node: Node | None, namespace: Namespace) -> str:
    """The template of an expression; ``""`` for one whose value only a run would tell."""
    parts: list[str] = []
    stack = [node]
    for _ in range(_MAX_PARTS):
        if not stack:
            return "".join(parts)
        found = _parts(stack.pop(), namespace)
        if found is None:
            return ""
        if isinstance(found, str):
            parts.append(found)
        else:
            stack += found
    return ""


def _parts(node: Node | None, namespace: Namespace) -> str | list[Node] | None:
    """The template of a leaf, or the parts of what is made of some, the last one first."""
    if node is None:
        return None
    if node.type == "parenthesized_expression":
        return node.named_children[:1]
    if node.type == "binary_expression" and text(node.child_by_field_name("operator")) == ".":
        sides = [node.child_by_field_name(side) for side in ("right", "left")]
        return [side for side in sides if side is not None]
    if node.type in ("string", "encapsed_string"):
        return literal(node)
    if node.type in ("name", "qualified_name"):
        return _constant(text(node), namespace)
    if node.type == "function_call_expression":
        callee, given = _call(node)
        if callee == "realpath" and len(given) == 1:
            return given
        return _folder(node, namespace) if callee == _DIRNAME else None
    return None


def _folder(node: Node, namespace: Namespace) -> str | None:
    """The template of `dirname(…)`, which may be nested."""
    levels = 0
    while node.type == "function_call_expression":
        callee, given = _call(node)
        depth = text(given[1]) if len(given) == 2 else "1"
        if callee != _DIRNAME or not given or not re.fullmatch(r"[1-9]", depth):
            return None
        levels += int(depth)
        node = given[0]
    if node.type not in ("name", "qualified_name"):
        return None
    base = text(node)
    if base.upper() == "__FILE__":
        base, levels = "__DIR__", levels - 1
    inner = _constant(base, namespace)
    return None if inner is None else inner + "/.." * levels


def _constant(name: str, namespace: Namespace) -> str | None:
    if name.upper() == "__DIR__":
        return "{__DIR__}"
    if name.lstrip("\\") == "DIRECTORY_SEPARATOR":
        return "/"
    wanted = namespace.resolve("constant", name)
    return "{" + "|".join(filter(None, (wanted.module, wanted.name))) + "}" if wanted else None


def _call(node: Node) -> tuple[str, list[Node]]:
    """The function that is called and what it is given."""
    arguments = node.child_by_field_name("arguments")
    return text(node.child_by_field_name("function")).lstrip("\\").lower(), given(arguments)


def given(arguments: Node | None) -> list[Node]:
    """The values in the brackets of a call."""
    found = arguments.named_children if arguments is not None else []
    values = [argument.named_child(0) for argument in found if argument.type == "argument"]
    return [value for value in values if value is not None]


def literal(node: Node | None) -> str | None:
    """The value of a string without escapes or variables."""
    if node is None or node.type not in ("string", "encapsed_string"):
        return None
    if any(part.type != "string_content" for part in node.named_children):
        return None
    value = "".join(text(part) for part in node.named_children)
    return value if _PLAIN.fullmatch(value) else None
