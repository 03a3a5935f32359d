"""One Python file by itself: its imports, outline and header lines, from tree-sitter's syntax tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from builder.structure.languages import Facts, Import
from builder.structure.python.outline import GRAMMAR, constant, definition
from builder.structure.syntax import captures, lines, parse, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

_IMPORTS = {"import_statement", "import_from_statement", "future_import_statement"}
_BLOCKS = {
    "module", "block", "if_statement", "elif_clause", "else_clause", "try_statement", "except_clause",
    "except_group_clause", "finally_clause", "with_statement", "for_statement", "while_statement",
    "match_statement", "case_clause", "ERROR",
}  # fmt: skip
_TYPE_CHECKING = re.compile(rb"(?P<negated>not\s+)?(?:\w+\.)?TYPE_CHECKING")
_SCRIPT = re.compile(rb"^if\s+__name__\s*==\s*[\"']__main__[\"']", re.MULTILINE)
_BETWEEN_NAMES = re.compile(r"#.*|[\s\\]+")
_CALLS = "(call function: [(identifier) (attribute)] arguments: (argument_list (string))) @call"
_IMPORTERS = {"import_module", "importlib.import_module", "__import__"}


@dataclass(frozen=True)
class _Scope:
    """Where a statement stands: what holds it, how deep, and what an import there means."""

    holder: str = "module"  # module | class | function
    depth: int = 0
    kind: str = "import"


def scan(source: bytes) -> Facts:
    """Read one file. A text with syntax errors gives what parses of it."""
    root = parse(GRAMMAR, source)
    imports: list[Import] = []
    outline: list[Definition] = []
    header = set(_leading_comments(root))
    functions: list[tuple[int, int]] = []
    decorated: dict[int, Node] = {}
    stack = [(root, _Scope())]
    while stack:
        node, scope = stack.pop()
        kind = node.type
        if kind in _IMPORTS:
            imports += _imports(node, scope.kind)
            if scope.holder == "module":
                header.update(lines(node))
        elif kind == "decorated_definition":
            if inner := node.child_by_field_name("definition"):
                decorated[inner.id] = node  # Node.parent searches from the root
                stack.append((inner, scope))
        elif kind in ("class_definition", "function_definition"):
            if scope.holder != "function":
                outline.append(definition(source, node, decorated.get(node.id), scope.holder, scope.depth))
            if kind == "function_definition":
                functions.append((node.start_byte, node.end_byte))
                if source.find(b"import", node.start_byte, node.end_byte) < 0:
                    continue  # nothing below is outlined or imported
            if body := node.child_by_field_name("body"):
                stack.append((body, _inside(kind, scope)))
        elif kind in ("expression_statement", "type_alias_statement"):
            if scope.holder == "module" and (entry := constant(node)):
                outline.append(entry)
        elif kind in _BLOCKS:
            stack += reversed(_statements(node, scope))
    imports += _dynamic_imports(root, source, functions)
    is_script = b"__main__" in source and bool(_SCRIPT.search(source))
    return Facts(tuple(imports), tuple(outline), frozenset(header), is_script)


def _inside(kind: str, scope: _Scope) -> _Scope:
    if kind == "function_definition":
        return _Scope("function", scope.depth + 1, "type-only" if scope.kind == "type-only" else "lazy")
    return replace(scope, holder="function" if scope.holder == "function" else "class", depth=scope.depth + 1)


def _statements(node: Node, scope: _Scope) -> list[tuple[Node, _Scope]]:
    condition = node.child_by_field_name("condition") if node.type == "if_statement" else None
    match = _TYPE_CHECKING.fullmatch(condition.text or b"") if condition else None
    if match is None:
        return [(child, scope) for child in node.named_children]
    guarded = "else_clause" if match["negated"] else "block"
    typed = replace(scope, kind="type-only")
    return [(child, typed if child.type == guarded else scope) for child in node.named_children]


def _leading_comments(root: Node) -> Iterator[int]:
    for child in root.children:
        if child.type != "comment":
            return
        yield from lines(child)


def _imports(node: Node, kind: str) -> Iterator[Import]:
    names = [_dotted(name) for name in node.children_by_field_name("name")]
    if node.type == "import_statement":
        for name in names:
            yield Import(name, kind=kind)
    elif origin := node.child_by_field_name("module_name"):
        written = _dotted(origin)
        module = written.lstrip(".")
        if not names and any(child.type == "wildcard_import" for child in node.named_children):
            names = ["*"]
        for name in names:
            yield Import(module, name, len(written) - len(module), kind)


def _dotted(node: Node | None) -> str:
    """A dotted name without the spaces, newlines and `as` that Python allows around it."""
    if node is not None and node.type == "aliased_import":
        node = node.child_by_field_name("name")
    return _BETWEEN_NAMES.sub("", text(node))


def _dynamic_imports(root: Node, source: bytes, functions: list[tuple[int, int]]) -> Iterator[Import]:
    """`importlib.import_module("literal")` and `__import__("literal")`, wherever they stand."""
    if b"import_module" not in source and b"__import__" not in source:
        return
    for call in captures(GRAMMAR, _CALLS, root):
        if text(call.child_by_field_name("function")) not in _IMPORTERS:
            continue
        arguments = call.child_by_field_name("arguments")
        values = [child for child in arguments.named_children if child.type != "comment"] if arguments else []
        parts = values[0].named_children if values and values[0].type == "string" else []
        if [part.type for part in parts] != ["string_start", "string_content", "string_end"]:
            continue
        written = text(parts[1])
        module = written.lstrip(".")
        dots = len(written) - len(module)
        anchored = len(values) == 2 and text(values[1]) in ("__package__", "package=__package__")
        if re.fullmatch(r"\w+(\.\w+)*", module) and (anchored or not dots):
            lazy = any(start <= call.start_byte < end for start, end in functions)
            yield Import(module, level=dots, kind="lazy" if lazy else "import")
