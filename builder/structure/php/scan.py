"""One PHP file by itself: what it declares, uses and includes, its outline and header lines.

All names are full. Of its :class:`Import` entries, those of kind ``declare`` tell what the file declares:
``form`` is ``class``, ``function`` or ``constant``, and ``name`` of a constant the template of its value, see
:mod:`builder.structure.php.files`. Those of form ``include`` have the path as written, and in ``name`` its
template. Others are uses: ``module`` is the name, and ``name`` the global one that does as well. Form ``use``
is a `use` declaration of which no code makes use.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from builder.structure.comments import with_comments
from builder.structure.languages import Facts, Import
from builder.structure.php.builtin import is_builtin
from builder.structure.php.files import given, literal, template
from builder.structure.php.names import Namespace
from builder.structure.php.outline import CLASSES, GRAMMAR, definitions
from builder.structure.syntax import bounded, captures, captures_by_name, lines, parse, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

_ANY = "[(name) (qualified_name) (relative_name)]"
# A type that is caught is needed when it is caught, so it counts as more than a type. Constants are the names
# that are nothing else, and what stands after `instanceof` is found among them: that is cheaper than to look
# for expressions, which may be nested ten thousand deep.
_USES = f"""
(base_clause {_ANY} @class)
(class_interface_clause {_ANY} @class)
(use_declaration {_ANY} @class)
(attribute . {_ANY} @class)
(object_creation_expression . {_ANY} @class)
(scoped_call_expression scope: {_ANY} @class)
(scoped_property_access_expression scope: {_ANY} @class)
(class_constant_access_expression . {_ANY} @class)
(catch_clause type: (type_list (named_type {_ANY} @class)))
(named_type {_ANY} @type)
(function_call_expression function: {_ANY} @function)
{_ANY} @constant
(_ name: (name) @other)
(variable_name (name) @other)
(const_element . (name) @other)
(namespace_name (name) @other)
(qualified_name (name) @other)
(relative_name (name) @other)
(class_constant_access_expression (_) (name) @other)
(namespace_use_clause _ @other)
(use_as_clause (name) @other)
(use_instead_of_clause (name) @other)
(property_hook . (name) @other)
(named_label_statement (name) @other)
(goto_statement (name) @other)
(dynamic_variable_name (name) @other)
(encapsed_string (subscript_expression (_) (name) @other))
[(include_expression) (include_once_expression) (require_expression) (require_once_expression)] @include
"""
_SPACES = "[(namespace_definition) (namespace_use_declaration)] @node"
_CALLS = "(function_call_expression function: [(name) (qualified_name)] @name arguments: (arguments)) @call"
_FUNCTIONS = "[(function_definition) (method_declaration) (anonymous_function) (arrow_function)] @function"
_MAY_CALL = re.compile(rb"\b(?:define|class_alias)\s*\(", re.IGNORECASE)
_BRANCHES = {
    "if_statement", "else_clause", "else_if_clause", "compound_statement", "colon_block", "declaration_list",
}  # fmt: skip
_DECLARING = {*CLASSES, "function_definition", "const_declaration"}
_INCLUDING = (
    "include_expression",
    "include_once_expression",
    "require_expression",
    "require_once_expression",
)
_LEADING = {"php_tag", "comment", "declare_statement", "text"}
_MAX_WRITTEN = 120


def scan(source: bytes) -> Facts:
    """Read one file. A text with syntax errors gives what parses of it."""
    root = parse(GRAMMAR, source)
    found: dict[Import, None] = {}
    outline: list[Definition] = []
    statements = list(_statements(root))
    spaces = _namespaces(
        captures(GRAMMAR, _SPACES, root) if root.has_error else [node for node, _ in statements]
    )
    for node, comment in statements:
        if node.type in _DECLARING:
            outline += definitions(node, comment, source)
            found.update(dict.fromkeys(_declared(node, _around(spaces, node))))
    if _MAY_CALL.search(source):
        found.update(dict.fromkeys(_called(root, spaces)))
    nodes = captures_by_name(GRAMMAR, _USES, root)
    found.update(dict.fromkeys(_used(nodes, spaces, source)))
    if "include" in nodes:
        found.update(dict.fromkeys(_included(nodes["include"], root, spaces, source)))
    return Facts(tuple(found), tuple(outline), frozenset(_header(statements, root)), source.startswith(b"#!"))


def _statements(root: Node) -> Iterator[tuple[Node, Node | None]]:
    """What stands in no function or class, with the comment before it."""
    stack = [with_comments(root)]
    while stack:
        for node, comment in stack[-1]:
            yield node, comment
            inner = node.child_by_field_name("body") if node.type == "namespace_definition" else node
            if inner is not None and (inner is not node or node.type in _BRANCHES):
                stack.append(with_comments(inner))
                break
        else:
            stack.pop()


def _namespaces(nodes: list[Node]) -> list[Namespace]:
    spaces = [Namespace("", 0)]
    for node in nodes:
        if node.type == "namespace_definition":
            spaces.append(Namespace(text(node.child_by_field_name("name")), node.start_byte))
        elif node.type == "namespace_use_declaration":
            spaces[-1].use(node)
    # Nearly all files have one, before which nothing stands that uses a name.
    return spaces[1:] if len(spaces) == 2 and not any(spaces[0].unused()) else spaces


def _around(spaces: list[Namespace], node: Node) -> Namespace:
    if len(spaces) == 1:
        return spaces[0]
    return spaces[bisect.bisect_right(spaces, node.start_byte, key=lambda space: space.start) - 1]


def _declared(node: Node, space: Namespace) -> Iterator[Import]:
    if node.type != "const_declaration":
        form = "class" if node.type in CLASSES else "function"
        if name := text(node.child_by_field_name("name")):
            yield Import(space.full(name), form=form, kind="declare")
        return
    for element in node.named_children:
        parts = element.named_children
        if element.type == "const_element" and len(parts) == 2:
            yield Import(
                space.full(text(parts[0])), template(parts[1], space), form="constant", kind="declare"
            )


def _called(root: Node, spaces: list[Namespace]) -> Iterator[Import]:
    """What `define` and `class_alias` declare."""
    for call in captures_by_name(GRAMMAR, _CALLS, root).get("call", ()):
        callee = text(call.child_by_field_name("function")).lstrip("\\").lower()
        if callee not in ("define", "class_alias"):
            continue
        values = given(call.child_by_field_name("arguments"))
        if len(values) < 2:
            continue
        space = _around(spaces, call)
        if callee == "define":
            if name := literal(values[0]) or "":
                yield Import(name, template(values[1], space), form="constant", kind="declare")
        elif name := _class_name(values[1], space):
            yield Import(name, form="class", kind="declare")


def _class_name(node: Node, space: Namespace) -> str:
    """The class that `'A\\B'` or `B::class` names."""
    if node.type == "class_constant_access_expression" and node.named_child_count == 2:
        wanted = space.resolve("class", text(node.named_child(0)))
        return wanted.module if wanted and text(node.named_child(1)).lower() == "class" else ""
    is_string = node.type in ("string", "encapsed_string")
    name = text(node)[1:-1].replace("\\\\", "\\").lstrip("\\") if is_string else ""
    return name if re.fullmatch(r"[\w\\]+", name) else ""


def _used(by_form: dict[str, list[Node]], spaces: list[Namespace], source: bytes) -> Iterator[Import]:
    no_constants = {
        node.id for form in ("class", "type", "function", "other") for node in by_form.get(form, ())
    }
    others = [node for node in by_form.get("constant", ()) if node.id not in no_constants]
    by_form["constant"] = [node for node in others if not _is_compared(node, source)]
    by_form["class"] = by_form.get("class", []) + [node for node in others if _is_compared(node, source)]
    for captured in ("class", "function", "constant", "type"):
        nodes = by_form.get(captured, [])
        form = "class" if captured == "type" else captured
        # The same few names are used again and again.
        if len(spaces) == 1 or not nodes:
            names = [(spaces[0], name) for name in dict.fromkeys(node.text for node in nodes)]
        else:
            names = list(dict.fromkeys((_around(spaces, node), node.text) for node in nodes))
        for space, name in names:
            wanted = space.resolve(form, (name or b"").decode("utf-8", "replace"))
            if wanted is None or not wanted.module:
                continue
            if captured == "type":
                yield Import(wanted.module, form=form, kind="type-only")
            elif form == "class" or not is_builtin(form, wanted.name or wanted.module):
                yield wanted
            elif wanted.name and form == "function":  # may still be one of the namespace's own
                yield replace(wanted, name="")
    for space in spaces:
        yield from space.unused()


def _is_compared(node: Node, source: bytes) -> bool:
    """Whether a name stands after `instanceof`."""
    before = source[max(0, node.start_byte - _MAX_WRITTEN) : node.start_byte]
    return before.rstrip()[-len("instanceof") :].lower() == b"instanceof"


def _included(nodes: list[Node], root: Node, spaces: list[Namespace], source: bytes) -> Iterator[Import]:
    """What is included; in a function only when that is called."""
    functions = captures(GRAMMAR, _FUNCTIONS, root)
    end = place = 0
    for node in sorted(nodes, key=lambda node: node.start_byte):
        while place < len(functions) and functions[place].start_byte < node.start_byte:
            end = max(end, functions[place].end_byte)
            place += 1
        expression = node.named_child(0)
        if expression is None:
            continue
        end_byte = min(expression.end_byte, expression.start_byte + 4 * _MAX_WRITTEN)
        written = source[expression.start_byte : end_byte].decode("utf-8", "replace")
        written = bounded(" ".join(written.split()), _MAX_WRITTEN)
        kind = "lazy" if node.start_byte < end else "include"
        yield Import(written, template(expression, _around(spaces, node)), form="include", kind=kind)


def _header(statements: list[tuple[Node, Node | None]], root: Node) -> Iterator[int]:
    """The lines of leading comments, of `declare`, and of `use` and `include`."""
    children = root.named_children
    leading = 0
    while leading < len(children) and children[leading].type in _LEADING:
        leading += 1
    first = children[leading] if leading < len(children) else None
    for node in children[:leading]:
        is_doc = (
            first is not None and first.type in _DECLARING and node.end_point.row + 1 == first.start_point.row
        )
        if node.type == "declare_statement" or (node.type == "comment" and not is_doc):
            yield from lines(node)
    for node, _ in statements:
        inner = node.named_child(0) if node.type == "expression_statement" else None
        if node.type == "namespace_use_declaration" or (
            inner is not None and inner.type.endswith(_INCLUDING)
        ):
            yield from lines(node)
