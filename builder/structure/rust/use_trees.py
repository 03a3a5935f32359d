"""The tree of a ``use`` declaration, flattened to the paths that it imports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from builder.structure.syntax import text

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_LENGTH = 1_000  # bytes of one path


def leaves(declaration: Node) -> Iterator[tuple[str, str]]:
    """Each path that is imported, and the name that it gets here: ``*`` for all of it, ``_`` for none."""
    argument = declaration.child_by_field_name("argument")
    stack = [(argument, "")] if argument else []
    while stack:
        node, prefix = stack.pop()
        if len(prefix) > _MAX_LENGTH:
            continue
        if node.type == "use_list":
            stack += [(child, prefix) for child in reversed(node.named_children)]
        elif node.type == "scoped_use_list":
            inner = node.child_by_field_name("list")
            path = _below(prefix, _joined(node.child_by_field_name("path"), node))
            if inner:
                stack.append((inner, path))
        elif node.type == "use_wildcard":
            yield _below(prefix, _joined(next(iter(node.named_children), None), node)), "*"
        elif node.type == "use_as_clause":
            path = _below(prefix, _joined(node.child_by_field_name("path"), node))
            yield path, text(node.child_by_field_name("alias")).removeprefix("r#")
        elif node.type in ("identifier", "scoped_identifier", "self", "super", "crate"):
            path = _below(prefix, _joined(node, node))
            yield path, path.rpartition("::")[2]


def _joined(path: Node | None, whole: Node) -> str:
    """A path as written, without space in it; ``::`` before it stays."""
    if path is None:
        return "::" if text(whole).startswith("::") else ""
    if path.end_byte - path.start_byte > _MAX_LENGTH:
        return ""
    return "::".join(part.strip().removeprefix("r#") for part in text(path).split("::"))


def _below(prefix: str, path: str) -> str:
    if path == "self" and prefix:
        return prefix
    if not prefix or not path:
        return prefix or path
    return prefix + path if prefix.endswith("::") else f"{prefix}::{path.removeprefix('::')}"
