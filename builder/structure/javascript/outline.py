"""What an outline says of a JavaScript or TypeScript file.

Classes with their methods, functions, interfaces, types, enums, namespaces, exported and upper-case
constants; what older code assigns (`exports.f = function`, `A.prototype.m = function`); nothing inside
functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from builder.structure.syntax import bounded, lines, one_line, text
from builder.structure.types import Definition

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_SIGNATURE = 300  # characters
_MAX_CONSTANT = 120
_MAX_DOC = 200
_CONSTANT = re.compile(r"_*[A-Z][A-Z0-9_]*")
_COMMENT = re.compile(
    rb"(\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|//[^\n]*|/\*(?:[\s\S]*?\*/|[\s\S]*)"
)
_FUNCTIONS = {
    "function_declaration", "generator_function_declaration", "function_signature", "function_expression",
    "generator_function", "arrow_function",
}  # fmt: skip
_METHODS = {"method_definition", "method_signature", "abstract_method_signature"}
_FIELDS = {"public_field_definition", "field_definition"}
_KINDS = {
    "class_declaration": "class", "abstract_class_declaration": "class", "class": "class",
    "interface_declaration": "interface", "type_alias_declaration": "type", "enum_declaration": "enum",
    "internal_module": "namespace", "module": "namespace",
} | dict.fromkeys(_FUNCTIONS, "function") | dict.fromkeys(_METHODS, "method")  # fmt: skip
_HOLDERS = {"class", "interface", "namespace"}  # whose members are outlined
_SHOWN_WHOLE = {"type", "enum", "interface", "constant"}  # where short
_DECORATED = {"class_declaration", "abstract_class_declaration", "class", "method_definition", *_FIELDS}
_BRACKETED = ("_block", "_body", "array", "object", "object_type")  # whose first line may be a bracket only
_WRAPPERS = {"export_statement", "ambient_declaration", "expression_statement"}


class _Item(NamedTuple):
    """A statement or member: what it is, what is wrapped around it, and what stands above it."""

    node: Node
    whole: Node
    depth: int
    doc: Node | None = None
    decorators: tuple[Node, ...] = ()


class _Subject(NamedTuple):
    """What an entry is about: ``node`` has the body or value, ``item`` the whole text."""

    item: _Item
    kind: str
    name: str
    node: Node
    keyword: bytes = b""  # `const` and the like, where several declarations share it


def outline(root: Node, source: bytes) -> Iterator[Definition]:
    """The entries of a file in the order of its text."""
    stack = list(_items(root, 0))[::-1]
    while stack:
        item = _unwrapped(stack.pop())
        if block := _block(item.node):
            stack += list(_items(block, item.depth))[::-1]
            continue
        for subject in _subjects(item, source):
            entry = _entry(subject, source)
            yield entry
            body = subject.node.child_by_field_name("body")
            if subject.kind in _HOLDERS and body is not None and not entry.signature.endswith("}"):
                stack += list(_items(body, item.depth + 1))[::-1]


def is_documented(node: Node, comment: Node) -> bool:
    """Whether ``comment`` is the JSDoc of ``node``, and no comment on the file as a whole."""
    if not text(comment).startswith("/**") or node.start_point.row - comment.end_point.row > 1:
        return False
    return bool(_subjects(_unwrapped(_Item(node, node, 0)), b""))


def _items(holder: Node, depth: int) -> Iterator[_Item]:
    doc: Node | None = None
    decorators: list[Node] = []
    for child in holder.named_children:
        if child.type == "comment":
            doc = child
        elif child.type == "decorator":
            decorators.append(child)
        else:
            if child.type != "import_statement":
                yield _Item(child, child, depth, doc, tuple(decorators))
            doc, decorators = None, []


def _unwrapped(item: _Item) -> _Item:
    """The declaration inside `export`, `declare` and the like, with the decorators found on the way."""
    node, decorators = item.node, item.decorators
    while node.type in _WRAPPERS or node.type in _DECORATED:
        children = node.named_children
        decorators += tuple(child for child in children if child.type == "decorator")
        if node.type in _DECORATED:
            break
        inner = node.child_by_field_name("declaration") or node.child_by_field_name("value")
        inner = inner or next((c for c in children if c.type not in ("comment", "decorator")), None)
        if inner is None:
            break
        node = inner
    return _Item(node, item.whole, item.depth, item.doc, decorators)


def _block(node: Node) -> Node | None:
    """Where statements of the same level go on: `declare global`, and a function called where it stands."""
    if node.type in ("ERROR", "statement_block"):
        return node
    if node.type != "call_expression":
        return None
    callee = node.child_by_field_name("function")
    if callee is not None and callee.type == "parenthesized_expression":
        callee = next(iter(callee.named_children), None)
    return callee.child_by_field_name("body") if callee is not None and callee.type in _FUNCTIONS else None


def _subjects(item: _Item, source: bytes) -> list[_Subject]:
    node = item.node
    if kind := _KINDS.get(node.type):
        return [_Subject(item, kind, text(node.child_by_field_name("name")) or "default", node)]
    if node.type in _FIELDS:
        value = node.child_by_field_name("value")
        name = node.child_by_field_name("name") or node.child_by_field_name("property")
        return [_Subject(item, "method", text(name), value)] if value and value.type in _FUNCTIONS else []
    if node.type in ("lexical_declaration", "variable_declaration"):
        return list(_declared(item, source))
    if node.type == "assignment_expression" and item.depth == 0:
        return list(_assigned(item))
    return []


def _declared(item: _Item, source: bytes) -> Iterator[_Subject]:
    """Functions and classes that a `const` names, and constants: exported ones and those in upper case."""
    is_public = item.whole.type in ("export_statement", "ambient_declaration")
    declarators = [child for child in item.node.named_children if child.type == "variable_declarator"]
    for declarator in declarators:
        own, keyword = item, b""
        if len(declarators) > 1:
            own = item._replace(whole=declarator, doc=item.doc if declarator is declarators[0] else None)
            keyword = source[item.whole.start_byte : declarators[0].start_byte]
        name, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
        if value is not None and (value.type in _FUNCTIONS or value.type == "class"):
            yield _Subject(own, _KINDS[value.type], text(name), value, keyword)
        elif is_public or _CONSTANT.fullmatch(text(name)):
            yield _Subject(own, "constant", bounded(text(name), _MAX_CONSTANT), declarator, keyword)


def _assigned(item: _Item) -> Iterator[_Subject]:
    """`exports.f = function …`, `A.prototype.m = …`, `module.exports = class …`."""
    value: Node | None = item.node
    while value is not None and value.type == "assignment_expression":
        value = value.child_by_field_name("right")
    target = item.node.child_by_field_name("left")
    if value is None or target is None or target.type != "member_expression":
        return
    if value.type in _FUNCTIONS or value.type == "class":
        name = text(target.child_by_field_name("property"))
        if name == "exports":
            name = text(value.child_by_field_name("name")) or "default"
        kind = "method" if ".prototype." in bounded(text(target), _MAX_CONSTANT) else _KINDS[value.type]
        yield _Subject(item, kind, name, value)


def _entry(subject: _Subject, source: bytes) -> Definition:
    item, node = subject.item, subject.node
    whole = item.whole
    start = max([whole.start_byte, *(decorator.end_byte for decorator in item.decorators)])
    is_short = subject.kind in _SHOWN_WHOLE and len(lines(whole)) == 1
    is_short = is_short and whole.end_byte - start <= _MAX_CONSTANT
    value = node.child_by_field_name("body") or node.child_by_field_name("value")
    end = whole.end_byte if is_short or value is None else value.start_byte
    head = source[start : min(end, start + 4 * _MAX_SIGNATURE)]
    signature = _line(subject.keyword + head).rstrip("; ")
    if subject.kind in ("constant", "type") and not is_short:
        signature = bounded(signature, _MAX_CONSTANT) + " …"
    doc, doc_lines = _jsdoc(item.doc)
    before = [lines(part) for part in item.decorators]
    shown = _head(whole.start_point.row + 1, value, is_short, whole)
    above = [lines(item.doc)[0]] if item.doc and doc_lines else []
    first = min([whole.start_point.row + 1, *above, *(rows[0] for rows in before)])
    return Definition(
        kind=subject.kind,
        name=subject.name,
        signature=signature,
        start_line=first,
        end_line=lines(whole)[-1],
        depth=item.depth,
        decorators=tuple(_line(part.text or b"") for part in item.decorators),
        doc=doc,
        signature_lines=frozenset([*shown, *doc_lines, *(row for rows in before for row in rows)]),
    )


def _line(source: bytes) -> str:
    return one_line(_COMMENT.sub(_quoted, source) if b"/" in source else source, _MAX_SIGNATURE)


def _quoted(match: re.Match[bytes]) -> bytes:
    return match[1] or b""


def _head(first: int, value: Node | None, is_short: bool, whole: Node) -> range:
    """The lines of a signature. One that also holds body is left out: the outline does not show all of it."""
    if is_short or value is None:
        return lines(whole)
    row = value.start_point.row + 1
    if not value.type.endswith(_BRACKETED):
        return range(first, row)
    holds_more = value.named_child_count > 0 and value.named_children[0].start_point.row < row
    return range(first, row + (not holds_more))


def _jsdoc(comment: Node | None) -> tuple[str, list[int]]:
    """The first line with text of a JSDoc comment, above its tags, and where it stands."""
    written = text(comment)
    if comment is None or not written.startswith("/**"):
        return "", []
    for offset, line in enumerate(written[3:].removesuffix("*/").split("\n")):
        line = line.strip().removeprefix("*").strip()
        if line.startswith("@"):
            break
        if line:
            return bounded(line, _MAX_DOC), [comment.start_point.row + 1 + offset]
    return "", []
