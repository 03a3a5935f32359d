"""One Go file by itself: its imports and the names that it uses, its outline and header lines.

Of its :class:`Import` entries those of kind ``import`` are import declarations, with ``name`` as given there
(``""``, ``_``, ``.`` or another name). The others tell which names the file uses, each once: ``same-package``
those without a qualifier, ``use`` those of ``module``, which is the qualifier as written. One of kind
``package`` names the file's package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from builder.structure.comments import doc_line, one_line, with_comments
from builder.structure.languages import Facts, Import
from builder.structure.syntax import captures, captures_by_name, lines, parse, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

GRAMMAR = "tree_sitter_go"
_MAX_VALUE = 120
# `own` are the names that a declaration gives to something of its own: they hide those of packages and of the
# package. `other` are fields and what is qualified. A key may be a constant, but that is for its type to say.
_NAMES = """
[(identifier) (type_identifier)] @name
(selector_expression operand: (identifier) field: (field_identifier)) @use
(qualified_type name: (type_identifier) @other) @use
(keyed_element . (literal_element (identifier) @other))
(parameter_declaration (identifier) @own)
(variadic_parameter_declaration name: (identifier) @own)
(type_parameter_declaration name: (identifier) @own)
(short_var_declaration left: (expression_list (identifier) @own))
(range_clause left: (expression_list (identifier) @own))
(receive_statement left: (expression_list (identifier) @own))
(type_switch_statement alias: (expression_list (identifier) @own))
(var_spec (identifier) @own)
(const_spec (identifier) @own)
(type_spec name: (type_identifier) @own)
(type_alias name: (type_identifier) @own)
(method_declaration receiver: (parameter_list (parameter_declaration type: [
  (generic_type type_arguments: (type_arguments (type_elem (type_identifier) @own)))
  (pointer_type (generic_type type_arguments: (type_arguments (type_elem (type_identifier) @own))))])))
"""
_TYPES = {"struct_type": "struct", "interface_type": "interface"}
_GROUPS = ("type_declaration", "const_declaration", "var_declaration")
_OPENINGS = ("{", "field_declaration_list")
_VALUES = {"const_spec": "constant", "var_spec": "variable"}


def scan(source: bytes) -> Facts:
    """Read one file. A text with syntax errors gives what parses of it."""
    root = parse(GRAMMAR, source)
    found: dict[Import, None] = {}
    used: dict[bytes, None] = {}  # names as written, with their qualifiers
    outline: list[Definition] = []
    header: set[int] = set()
    at_top = True
    for child in root.named_children:
        if child.type == "comment" and at_top:
            header.update(lines(child))
        at_top = at_top and child.type == "comment"
    for child, comment in with_comments(root):
        if child.type == "package_clause":
            found[Import("", text(child.named_child(0)), kind="package")] = None
        elif child.type == "import_declaration":
            header.update(lines(child))
            found.update(dict.fromkeys(_imports(child)))
        elif child.type != "comment":
            used.update(dict.fromkeys(_uses(child)))
            outline += _definitions(child, comment, source)
    return Facts((*found, *map(_use, used)), tuple(outline), frozenset(header))


def _imports(declaration: Node) -> Iterator[Import]:
    for spec in captures(GRAMMAR, "(import_spec) @spec", declaration):
        path = text(spec.child_by_field_name("path")).strip('"`')
        if path:
            yield Import(path, text(spec.child_by_field_name("name")))


def _uses(declaration: Node) -> list[bytes]:
    """Names in a declaration that are not its own, with their qualifiers, as written."""
    found = captures_by_name(GRAMMAR, _NAMES, declaration)
    own = {node.text for node in found.get("own", ())}
    other = {node.id for node in found.get("other", ())}
    qualified = {node.text or b"" for node in found.get("use", ())}
    names = {node.text or b"" for node in found.get("name", ()) if node.id not in other}
    used = [use for use in qualified if use.partition(b".")[0].strip() not in own]
    return sorted([*used, *(names - own)])


def _use(written: bytes) -> Import:
    qualifier, dot, name = (part.strip().decode("utf-8", "replace") for part in written.partition(b"."))
    return Import(qualifier, name, kind="use") if dot else Import("", qualifier, kind="same-package")


def _definitions(declaration: Node, comment: Node | None, source: bytes) -> Iterator[Definition]:
    if declaration.type in ("function_declaration", "method_declaration"):
        kind = "function" if declaration.type == "function_declaration" else "method"
        yield _entry(kind, declaration, declaration.child_by_field_name("body"), comment, source)
        return
    if declaration.type not in _GROUPS:
        return
    specs = list(with_comments(declaration))
    if len(specs) == 1 and specs[0][0].type == "var_spec_list":
        specs = list(with_comments(specs[0][0]))
    keyword = text(declaration.child(0))
    for spec, before in specs:
        # Alone and without brackets, a specification begins with its keyword and has the comment before that.
        is_alone = spec.start_point.row == declaration.start_point.row
        for entry in _specified(spec, before or (comment if is_alone else None), source):
            yield entry if entry.depth else replace(entry, signature=f"{keyword} {entry.signature}")


def _specified(spec: Node, comment: Node | None, source: bytes) -> Iterator[Definition]:
    """The entries of one specification in a ``type``, ``const`` or ``var`` declaration."""
    if spec.type in _VALUES:
        value = spec.child_by_field_name("value")
        shown = one_line(source, spec.start_byte, spec.end_byte)
        if value is not None and (len(lines(spec)) > 1 or len(shown) > _MAX_VALUE):
            shown = one_line(source, spec.start_byte, value.start_byte).rstrip("= ") + " …"
        for name in spec.children_by_field_name("name"):
            if name.type == "identifier":
                entry = _entry(_VALUES[spec.type], spec, None, comment, source)
                dropped = frozenset(range(entry.start_line + 1, entry.end_line + 1))
                kept = entry.signature_lines - dropped
                yield replace(entry, name=text(name), signature=shown, signature_lines=kept)
    elif spec.type in ("type_spec", "type_alias"):
        written = spec.child_by_field_name("type")
        kind = _TYPES.get(written.type, "type") if written else "type"
        inside = written.children if written is not None and kind != "type" else []
        opening = next((part for part in inside if part.type in _OPENINGS), None)
        yield _entry(kind, spec, opening, comment, source)
        for element, before in with_comments(written) if written is not None and inside else ():
            if element.type == "method_elem":
                yield replace(_entry("method", element, None, before, source), depth=1)


def _entry(kind: str, node: Node, body: Node | None, comment: Node | None, source: bytes) -> Definition:
    doc, said = doc_line(comment)
    end = body.start_byte if body is not None else node.end_byte
    head = range(node.start_point.row + 1, lines(node)[-1] + 1)
    if body is not None:
        opening = body.start_point.row
        # A line that also holds body is not all shown.
        head = range(head.start, opening + 2 - (node.end_point.row == opening))
    return Definition(
        kind,
        text(node.child_by_field_name("name")),
        one_line(source, node.start_byte, end),
        node.start_point.row + 1,
        lines(node)[-1],
        doc=doc,
        signature_lines=frozenset([*head, *said]),
    )
