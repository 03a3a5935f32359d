"""One JavaScript or TypeScript file by itself: its imports, outline and header lines."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from builder.structure.javascript.outline import is_documented, outline
from builder.structure.languages import Facts, Import
from builder.structure.syntax import captures, lines, parse, text

if TYPE_CHECKING:
    from tree_sitter import Node

_IMPORTS = """
(import_statement) @import
(export_statement source: (string)) @import
(call_expression function: (import)) @import
(call_expression function: (identifier) @callee (#eq? @callee "require")) @import
"""
_FUNCTIONS = "[(function_declaration) (function_expression) (arrow_function) (method_definition)] @function"
_CALLED = """
(call_expression function: [
  (function_expression) @called
  (parenthesized_expression [(function_expression) (arrow_function)] @called)
])
"""
_TYPES = """
[(type_annotation) (type_alias_declaration) (type_arguments) (type_query) (interface_declaration)
 (implements_clause)] @type
"""
_CLAUSES = ("import_clause", "named_imports", "export_clause")
_CALL = re.compile(rb"(?:require|import)\s*\(")
_BLOCK = re.compile(rb"(?:declare|module|namespace)\s+[\w\"'][^;=()\n]{0,200}\{")  # which may hold imports
_FUNCTION = re.compile(rb"\{|=>")  # without one of these there is no body
_ASSERTION = re.compile(rb"\b(?:as|satisfies)\s+(?:typeof\s+)?$")
_REFERENCE = re.compile(r"///\s*<reference\s+(path|types)\s*=\s*[\"']([^\"']+)[\"']")
_EXPORTED_REQUIRE = re.compile(
    rb"^[ \t]*export\s+import\s+\w+\s*=\s*require\(\s*[\"']([^\"'\n]+)", re.MULTILINE
)


def scan(grammar: str, source: bytes) -> Facts:
    """Read one file. A text with syntax errors gives what parses of it."""
    root = parse(grammar, source)
    children = root.children
    required = [_requires(child) for child in children]
    called = [call for calls in required for call in calls]
    imports = [*_references(children), *_imports(grammar, root, children, called, source)]
    return Facts(tuple(imports), tuple(outline(root, source)), frozenset(_header(children, required)))


def _imports(
    grammar: str, root: Node, children: list[Node], called: list[Node], source: bytes
) -> Iterator[Import]:
    """``called`` are the calls of `require` in declarations at the top of the file."""
    functions = types = _Ranges(())
    nodes = [*children, *called]
    # Most files import at their top only: no need to search all of the tree.
    num_calls = len(_CALL.findall(source))
    if num_calls > len(called) or root.has_error or _BLOCK.search(source):
        nodes = captures(grammar, _IMPORTS, root)
        if any(_may_wait(node, children, source) for node in nodes if node.type == "call_expression"):
            functions = _Ranges(_delayed(grammar, root))
        types = _Ranges(captures(grammar, _TYPES, root) if num_calls and "typescript" in grammar else ())
    for node in nodes:
        if node.type == "call_expression":
            yield from _called(node, source, functions, types)
        elif node.type in ("import_statement", "export_statement"):
            yield from _stated(node)
    # The grammar knows `import a = require("b")`, but not with `export` before it.
    for match in _EXPORTED_REQUIRE.finditer(source):
        yield Import(match[1].decode("utf-8", "replace"), form="require")


def _stated(node: Node) -> Iterator[Import]:
    """`import`, `export … from` and `import a = require("…")`."""
    form, origin = "", node.child_by_field_name("source")
    if origin is None and node.type == "import_statement":
        clause = next((child for child in node.named_children if child.type == "import_require_clause"), None)
        form, origin = "require", clause.child_by_field_name("source") if clause else None
    if wanted := _literal(origin):
        yield Import(wanted, kind="type-only" if _is_type_only(node) else "import", form=form)


def _called(node: Node, source: bytes, functions: _Ranges, types: _Ranges) -> Iterator[Import]:
    """`require("…")`, `import("…")`, and `import("…")` where a type stands."""
    callee, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    given = [child for child in arguments.named_children if child.type != "comment"] if arguments else []
    wanted = _literal(given[0]) if given else ""
    if not wanted or callee is None:
        return
    if callee.type == "identifier":
        yield Import(wanted, kind="lazy" if node in functions else "import", form="require")
    else:
        before = source[max(0, node.start_byte - 40) : node.start_byte]
        yield Import(wanted, kind="type-only" if node in types or _ASSERTION.search(before) else "lazy")


class _Ranges:
    """The outermost of some nodes, to ask what stands inside them."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for node in nodes:  # in the order of the text
            if not self._ends or node.start_byte >= self._ends[-1]:
                self._starts.append(node.start_byte)
                self._ends.append(node.end_byte)

    def __contains__(self, node: Node) -> bool:
        place = bisect.bisect_right(self._starts, node.start_byte) - 1
        return place >= 0 and node.start_byte < self._ends[place]


def _may_wait(call: Node, children: list[Node], source: bytes) -> bool:
    """Whether a function may stand around a call: cheaper than to look for all functions."""
    place = bisect.bisect_right(children, call.start_byte, key=lambda child: child.start_byte) - 1
    return bool(_FUNCTION.search(source, children[max(0, place)].start_byte, call.start_byte))


def _delayed(grammar: str, root: Node) -> list[Node]:
    """Functions, but for those that are called where they stand: their body runs with the file."""
    called = {node.id for node in captures(grammar, _CALLED, root)}
    return [node for node in captures(grammar, _FUNCTIONS, root) if node.id not in called]


def _references(children: list[Node]) -> Iterator[Import]:
    """`/// <reference path="…" />`, which counts above the first statement only."""
    for child in children:
        if child.type != "comment":
            return
        if match := _REFERENCE.match(text(child)):
            written = match[2]
            if match[1] == "types":
                yield Import(written, kind="type-only")
            else:
                yield Import(written if written.startswith(".") else f"./{written}")


def _literal(node: Node | None) -> str:
    """The value of a string without escapes or substitutions, else ``""``."""
    written = text(node) if node is not None and node.type in ("string", "template_string") else ""
    is_plain = len(written) > 2 and written[0] == written[-1] and "\\" not in written
    return written[1:-1] if is_plain and not (written[0] == "`" and "${" in written) else ""


def _is_type_only(node: Node) -> bool:
    """Whether all that a statement imports are types: by `type` before the clause or before each name."""
    if b"type" not in (node.text or b""):
        return False
    # `export type * from` is newer than the grammar, which takes its "type" for an error.
    if any(
        child.type == "type" or (child.type == "ERROR" and text(child) == "type") for child in node.children
    ):
        return True
    clause = next((child for child in node.named_children if child.type in _CLAUSES), None)
    if clause is not None and clause.type == "import_clause":
        clause = clause.named_child(0) if clause.named_child_count == 1 else None
    names = clause.named_children if clause is not None and clause.type in _CLAUSES else []
    names = [name for name in names if name.type.endswith("_specifier")]
    return bool(names) and all(name.children[0].type == "type" for name in names if name.children)


def _header(children: list[Node], required: list[list[Node]]) -> Iterator[int]:
    """The lines of leading comments, directives such as "use strict", and imports."""
    leading = 0
    while leading < len(children) and children[leading].type in ("comment", "hash_bang_line"):
        leading += 1
    if 0 < leading < len(children) and is_documented(children[leading], children[leading - 1]):
        leading -= 1
    for number, child in enumerate(children):
        is_import = child.type == "import_statement" or required[number]
        if number < leading or is_import or _is_directive(child):
            yield from lines(child)


def _is_directive(node: Node) -> bool:
    return node.type == "expression_statement" and [child.type for child in node.named_children] == ["string"]


def _requires(node: Node) -> list[Node]:
    """The calls in `const a = require("…"), b = require("…").c`; none where anything else is declared."""
    if node.type not in ("lexical_declaration", "variable_declaration"):
        return []
    declared = [child for child in node.named_children if child.type == "variable_declarator"]
    calls = [_call_of_require(child.child_by_field_name("value")) for child in declared]
    return [call for call in calls if call] if all(calls) else []


def _call_of_require(value: Node | None) -> Node | None:
    while value is not None and value.type in ("call_expression", "member_expression", "await_expression"):
        callee = value.child_by_field_name("function") or value.child_by_field_name("object")
        if callee is not None and callee.type == "identifier":
            return value if value.type == "call_expression" and text(callee) == "require" else None
        value = callee
    return None
