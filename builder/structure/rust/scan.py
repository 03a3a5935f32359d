"""One Rust file by itself: what it declares, uses and calls, its outline and header lines.

Of its :class:`Import` entries, in the order of the text, ``form`` is the scope: the inline modules around,
joined by ``::``. The kinds, and what else they say:

- ``mod`` and ``inline``: a module ``name`` in a file of its own or in braces; ``module`` is its ``#[path]``.
- ``use``: ``module`` is a path, ``name`` what it is called here, ``*`` for a glob, ``_`` for nothing.
- ``extern``: the crate ``module``, called ``name`` here; ``level`` 1 with ``#[macro_use]``.
- ``include``: ``module`` is the path of ``include!``, ``""`` where it is no literal; ``name`` is the macro.
- ``item`` and ``macro``: ``name`` is defined; a macro's ``level`` is 1 with ``#[macro_export]``.
- ``path`` and ``call``: a path in code, and the ``name`` of a macro that is called without a path.
- ``open``: a macro is called among the items, so there may be more of them than are written.

``level`` is 1 for a ``use`` or an ``item`` that others see. Of a ``mod`` or ``inline`` it is the sum of 1
where its file may be missing (it stands in a macro, or its path depends on a condition), 2 where its macros
stay in scope after it, and 4 where others see it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from builder.structure.languages import Facts, Import
from builder.structure.rust.outline import COMMENTS, header_lines, outline
from builder.structure.rust.use_trees import leaves
from builder.structure.syntax import captures_by_name, parse, text

if TYPE_CHECKING:
    from tree_sitter import Node

GRAMMAR = "tree_sitter_rust"
MAYBE, MACRO_USE, PUBLIC = 1, 2, 4  # flags in the level of a module
_QUERY = """
(mod_item) @mod
(use_declaration) @use
(extern_crate_declaration) @extern
(macro_definition) @pattern
"""
_ITEMS = {
    "struct_item", "enum_item", "union_item", "trait_item", "type_item", "const_item", "static_item",
    "function_item", "function_signature_item", "macro_definition", "macro_invocation",
}  # fmt: skip
_MAX_OPENED = 3  # such macros within one another
_MAX_INCLUDE = 1_000  # characters of a call that includes
_MAX_BEFORE = 20  # bytes that are looked back at
_INCLUDES = (b"include", b"include_str", b"include_bytes")
_MAX_NESTED = 128  # inline modules: rustc's own limit
_HAS_IMPORTS = re.compile(rb"\b(?:mod|use)\s+[\w:{]")
_BRANCHES = re.compile(rb"\{\s*if\b")
# Comments, strings and characters; what has no end goes to the end of the text.
_NO_CODE = re.compile(
    rb"//[^\n]*+|/\*[\s\S]*?(?:\*/|\Z)|\bb?r(#*+)\"[\s\S]*?(?:\"\1|\Z)|\"(?:[^\"\\]|\\[\s\S])*+(?:\"|\Z)"
    rb"|'(?:[^'\\\n\x80-\xff]|[\x80-\xff]{1,4}|\\[^\n][^'\n]{0,10})'"
)
_NAME = rb"[A-Za-z_\x80-\xff][\w\x80-\xff]*+"
# A path of several names, or the name of a macro that is called.
_USED = re.compile(
    rb"[A-Za-z_$\x80-\xff](?<![\w$'#.\x80-\xff].)((?:(?<=r)#)?+[\w\x80-\xff]*+)"
    rb"(?:((?:\s*+::\s*+(?:r#)?+" + _NAME + rb")+)|\s*+!\s*+[(\[{])",
    re.DOTALL,
)
_INCLUDE = re.compile(r'(include|include_str|include_bytes)\s*!\s*[(\[{]\s*(?:"([^"\\\n]*)"\s*,?\s*[)\]}])?')
_PATH_ATTRIBUTE = re.compile(r'^#\s*\[\s*path\s*=\s*"([^"]*)"')
_CONDITIONAL_PATH = re.compile(r'\bpath\s*=\s*"([^"]*)"')
_DERIVE = re.compile(r"^#\s*\[\s*proc_macro_derive\s*\(\s*(\w+)")


def scan(source: bytes) -> Facts:
    """Read one file. A text with syntax errors gives what parses of it."""
    root = parse(GRAMMAR, source)
    items = _items(root)
    opened: list[tuple[int, int]] = []
    for _ in range(_MAX_OPENED):
        if not (cut := list(_wrappers(source, items, opened))):
            break
        source = _without(source, cut)
        root = parse(GRAMMAR, source)
        items = _items(root)
    facts = dict.fromkeys(_facts(source, root, items, opened))
    return Facts(tuple(facts), outline(source, root), header_lines(root))


def _items(root: Node) -> list[tuple[Node, list[Node]]]:
    """What stands in the modules of a file and in their ``extern`` blocks, each with its attributes."""
    found: list[tuple[Node, list[Node]]] = []
    stack = [root]
    while stack:
        given: list[Node] = []
        for child in stack.pop().named_children:
            kind = child.type
            if kind == "attribute_item":
                given.append(child)
            elif kind not in COMMENTS:
                if kind == "expression_statement":
                    child = child.named_children[0] if child.named_children else child
                found.append((child, given))
                if kind in ("mod_item", "foreign_mod_item") and (body := child.child_by_field_name("body")):
                    stack.append(body)
                given = []
    return found


def _wrappers(
    source: bytes, items: Iterable[tuple[Node, object]], opened: list[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """What stands around items that import, as in `cfg_if! { … }`; ``opened`` gets where those are."""
    for call, _ in items:
        if call.type != "macro_invocation":
            continue
        tokens = call.named_children[-1]
        start, end = tokens.start_byte, tokens.end_byte
        if source[start : start + 1] != b"{" or not _HAS_IMPORTS.search(source, start, end):
            continue
        opened.append((start, end))
        yield call.start_byte, start + 1
        yield end - 1, end
        if not _BRANCHES.match(source, start, end):
            continue
        for branch in tokens.named_children:
            if source[branch.start_byte : branch.start_byte + 1] == b"{":
                yield start + 1, branch.start_byte + 1
                start = branch.end_byte - 1


def _without(source: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """The source with spaces in place of ``spans``, lines kept."""
    result = bytearray(source)
    for start, end in spans:
        result[start:end] = re.sub(rb"[^\n]", b" ", source[start:end])
    return bytes(result)


def _spaces(match: re.Match[bytes]) -> bytes:
    return b" " * len(match[0])


class _Scopes:
    """The inline modules around a place, asked for in the order of the text."""

    def __init__(self) -> None:
        self._around: list[tuple[int, str]] = []

    def at(self, start: int) -> str:
        while self._around and self._around[-1][0] <= start:
            self._around.pop()
        return self._around[-1][1] if self._around else ""

    def enter(self, name: str, node: Node) -> None:
        scope = self.at(node.start_byte)
        inner = f"{scope}::{name}" if scope else name
        self._around.append((node.end_byte, inner if len(self._around) < _MAX_NESTED else scope))


def _facts(
    source: bytes, root: Node, items: list[tuple[Node, list[Node]]], opened: list[tuple[int, int]]
) -> Iterator[Import]:
    found = captures_by_name(GRAMMAR, _QUERY, root)
    attributes = {node.id: given for node, given in items if given}
    code = _NO_CODE.sub(_spaces, source)
    inside_macro = _Inside([(node.start_byte, node.end_byte) for node in found.pop("pattern", ())])
    inside_opened = _Inside(opened)
    imports = (node for kind in ("use", "extern") for node in found.get(kind, ()))
    inside_import = _Inside([(node.start_byte, node.end_byte) for node in imports])
    events: list[tuple[int, int, str, Any]] = [
        (node.start_byte, 0, kind, node) for kind, nodes in found.items() for node in nodes
    ]
    events += [(node.start_byte, 0, "item", node) for node, _ in items if node.type in _ITEMS]
    events += [(match.start(), 1, "used", match) for match in _USED.finditer(code)]
    events.sort(key=lambda event: event[:2])
    scopes = _Scopes()
    for start, _, kind, thing in events:
        scope = scopes.at(start)
        if kind == "used":
            if not inside_import.at(start):
                yield from _used(source, code, thing, scope, inside_macro.at(start))
            continue
        given = [text(attribute) for attribute in attributes.get(thing.id, ())]
        if kind == "mod":
            yield from _module(thing, given, scope, inside_opened.at(start))
            if thing.child_by_field_name("body"):
                scopes.enter(_plain(thing.child_by_field_name("name").text), thing)
        elif kind == "use":
            is_seen = int(_is_public(thing))
            for path, name in leaves(thing):
                yield Import(path, name, level=is_seen, kind="use", form=scope)
        else:
            yield from _definition(thing, given, scope)


def _used(
    source: bytes, code: bytes, match: re.Match[bytes], scope: str, is_in_pattern: bool
) -> Iterator[Import]:
    """A path or a macro's call. What a macro's text names outside its crate is its caller's to say."""
    start = match.start()
    first = code[start : match.end(1)]
    if match[2]:
        before = code[max(0, start - _MAX_BEFORE) : start].rstrip()
        is_global = before.endswith(b"::")
        if (
            first == b"Self"
            or before.endswith(b">::")
            or (is_in_pattern and first not in (b"$crate", b"crate"))
        ):
            return
        names = [b"crate" if first == b"$crate" else first, *match[2].split(b"::")[1:]]
        yield Import("::" * is_global + "::".join(map(_plain, names)), kind="path", form=scope)
    elif first in _INCLUDES:
        if asked := _INCLUDE.match(source[start : start + _MAX_INCLUDE].decode("utf-8", "replace")):
            yield Import(asked[2] or "", asked[1], kind="include", form=scope)
    elif not is_in_pattern and code[start - 1 : start] != b":":
        yield Import("", _plain(first), kind="call", form=scope)


def _definition(node: Node, given: list[str], scope: str) -> Iterator[Import]:
    named = node.child_by_field_name("name")
    name = _plain(named.text or b"") if named else ""
    if node.type == "extern_crate_declaration":
        alias = node.child_by_field_name("alias")
        level = int(any("macro_use" in attribute for attribute in given))
        yield Import(name, _plain(alias.text or b"") if alias else name, level, "extern", scope)
    elif node.type == "macro_invocation":
        yield Import("", kind="open", form=scope)
    elif node.type == "macro_definition":
        yield Import("", name, int(any("macro_export" in attribute for attribute in given)), "macro", scope)
    else:
        derived = [match[1] for attribute in given if (match := _DERIVE.match(attribute))]
        is_public = int(_is_public(node))
        for defined in (name, *derived):
            yield Import("", defined, level=is_public, kind="item", form=scope)


def _is_public(node: Node) -> bool:
    first = node.named_child(0)
    return first is not None and first.type == "visibility_modifier"


def _module(node: Node, given: list[str], scope: str, is_unsure: bool) -> Iterator[Import]:
    named = node.child_by_field_name("name")
    name = _plain((named.text if named else None) or b"")
    uses_macros = MACRO_USE * any("macro_use" in attribute for attribute in given)
    kind = "inline" if node.child_by_field_name("body") else "mod"
    certain = [match[1] for attribute in given if (match := _PATH_ATTRIBUTE.match(attribute))]
    possible = [
        path
        for attribute in given
        if "cfg_attr" in attribute[:30]
        for path in _CONDITIONAL_PATH.findall(attribute)
    ]
    level = uses_macros | MAYBE * (is_unsure or bool(possible)) | PUBLIC * _is_public(node)
    if kind == "inline":
        yield Import((certain or possible or [""])[0], name, level, kind, scope)
        return
    for path in certain[:1] or [*possible, ""]:
        yield Import(path, name, level, kind, scope)


def _plain(name: bytes) -> str:
    return name.strip().removeprefix(b"r#").decode("utf-8", "replace")


class _Inside:
    """Whether a place lies in one of some stretches, asked for in the order of the text."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._spans = sorted(spans)
        self._next = 0
        self._end = 0

    def at(self, start: int) -> bool:
        while self._next < len(self._spans) and self._spans[self._next][0] <= start:
            self._end = max(self._end, self._spans[self._next][1])
            self._next += 1
        return start < self._end
