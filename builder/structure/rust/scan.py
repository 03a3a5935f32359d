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

``level`` is 1 for a ``use`` that others see, for a ``mod`` that may not be there (it stands in a macro, or its
path depends on a condition), for an ``inline`` or ``mod`` whose macros stay in scope 2 more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from builder.structure.languages import Facts, Import
from builder.structure.rust.outline import header_lines, outline
from builder.structure.rust.use_trees import leaves
from builder.structure.syntax import captures_by_name, parse, text

if TYPE_CHECKING:
    from tree_sitter import Node

GRAMMAR = "tree_sitter_rust"
MAYBE, MACRO_USE = 1, 2  # flags in the level of a module
_ITEMS = """[(struct_item) (enum_item) (union_item) (trait_item) (type_item) (const_item) (static_item)
 (function_item) (function_signature_item)] @item"""
_CALLS = "[(macro_invocation) @open (expression_statement (macro_invocation) @open)]"
_AT_MODULE_LEVEL = "(source_file {0})\n(mod_item body: (declaration_list {0}))"
_OPENABLE = _AT_MODULE_LEVEL.format(_CALLS)
_QUERY = f"""
(attribute_item) @attribute
(mod_item) @mod
(use_declaration) @use
(extern_crate_declaration) @extern
(macro_definition) @pattern
((macro_invocation macro: (_) @_called) @include (#match? @_called "^include"))
[(line_comment) (block_comment) (string_literal) (raw_string_literal) (char_literal)] @blank
{_OPENABLE}
{_AT_MODULE_LEVEL.format("(macro_definition) @macro")}
{_AT_MODULE_LEVEL.format(_ITEMS)}
(foreign_mod_item body: (declaration_list {_ITEMS}))
"""
_MAX_OPENED = 3  # such macros within one another
_MAX_INCLUDE = 1_000  # characters of a call that includes
_MAX_NESTED = 128  # inline modules: rustc's own limit
_HAS_IMPORTS = re.compile(rb"\b(?:mod|use)\s+[\w:{]")
_CONDITION = re.compile(rb"\bif\s*#\s*\[[^\]]*\]\s*$|\belse\s*$")
_NAME = rb"(?:r#)?[A-Za-z_\x80-\xff][\w\x80-\xff]*+"
_PATH = re.compile(rb"(?<![\w$:'#\x80-\xff])(::\s*+)?(\$crate|" + _NAME + rb")((?:\s*+::\s*+" + _NAME + rb")+)")
_CALL = re.compile(rb"(?<![\w$:'#.\x80-\xff])(" + _NAME + rb")\s*!\s*[(\[{]")
_INCLUDE = re.compile(r'(include|include_str|include_bytes)\s*!\s*[(\[{]\s*(?:"([^"\\\n]*)"\s*,?\s*[)\]}])?')
_PATH_ATTRIBUTE = re.compile(r'^#\s*\[\s*path\s*=\s*"([^"]*)"')
_CONDITIONAL_PATH = re.compile(r'\bpath\s*=\s*"([^"]*)"')
_DERIVE = re.compile(r"^#\s*\[\s*proc_macro_derive\s*\(\s*(\w+)")


def scan(source: bytes) -> Facts:
    """Read one file. A text with syntax errors gives what parses of it."""
    root = parse(GRAMMAR, source)
    opened: list[tuple[int, int]] = []
    for _ in range(_MAX_OPENED):
        widened, spans = _opened(source, root)
        if not spans:
            break
        opened += spans
        source, root = widened, parse(GRAMMAR, widened)
    facts = dict.fromkeys(_facts(source, root, opened))
    return Facts(tuple(facts), outline(source, root), header_lines(root))


def _opened(source: bytes, root: Node) -> tuple[bytes, list[tuple[int, int]]]:
    """The source without the calls around items that import (``cfg_if! { … }``), and where those stood."""
    spans: list[tuple[int, int]] = []
    cut: list[tuple[int, int]] = []
    for call in captures_by_name(GRAMMAR, _OPENABLE, root).get("open", ()):
        tokens = call.named_children[-1]
        if tokens.type != "token_tree" or source[tokens.start_byte : tokens.start_byte + 1] != b"{":
            continue
        if not _HAS_IMPORTS.search(source, tokens.start_byte, tokens.end_byte):
            continue
        spans.append((tokens.start_byte, tokens.end_byte))
        cut += [(call.start_byte, tokens.start_byte + 1), (tokens.end_byte - 1, tokens.end_byte)]
        last = tokens.start_byte + 1
        for branch in tokens.named_children:
            if branch.type == "token_tree" and _CONDITION.search(source, last, branch.start_byte):
                cut += [(last, branch.start_byte + 1), (branch.end_byte - 1, branch.end_byte)]
                last = branch.end_byte
    return (_blanked(source, cut) if cut else source), spans


def _blanked(source: bytes, spans: list[tuple[int, int]]) -> bytes:
    """The source with spaces in place of ``spans``, lines kept."""
    result = bytearray(source)
    for start, end in spans:
        result[start:end] = re.sub(rb"[^\n]", b" ", source[start:end])
    return bytes(result)


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
        if len(self._around) < _MAX_NESTED:
            name = f"{scope}::{name}" if scope else name
        else:
            name = scope
        self._around.append((node.end_byte, name))


def _facts(source: bytes, root: Node, opened: list[tuple[int, int]]) -> Iterator[Import]:
    found = captures_by_name(GRAMMAR, _QUERY, root)
    blank = found.pop("blank", [])
    comments = _blanked(source, [(node.start_byte, node.end_byte) for node in blank])
    imports = [(node.start_byte, node.end_byte) for kind in ("use", "extern") for node in found.get(kind, ())]
    code = _blanked(comments, imports)
    inside_macro = _Inside([(node.start_byte, node.end_byte) for node in found.pop("pattern", ())])
    inside_opened = _Inside(opened)
    found.pop("_called", None)
    events: list[tuple[int, int, str, Any]] = [
        (node.start_byte, 0, kind, node) for kind, nodes in found.items() for node in nodes
    ]
    events += [(match.start(), 1, "path", match) for match in _PATH.finditer(code)]
    events += [(match.start(), 1, "call", match) for match in _CALL.finditer(code)]
    events.sort(key=lambda event: event[:2])
    scopes = _Scopes()
    given: list[str] = []  # the attributes right before this place
    end = 0
    for start, _, kind, thing in events:
        scope = scopes.at(start)
        if kind == "path":
            if path := _path(code, thing, inside_macro.at(start)):
                yield Import(path, kind="path", form=scope)
            continue
        if kind == "call":
            if not inside_macro.at(start):
                yield Import("", _plain(thing[1]), kind="call", form=scope)
            continue
        if start < end or comments[end:start].strip():
            given = []
        if kind == "attribute":
            given = [*given, text(thing)]
            end = thing.end_byte
            continue
        if kind == "mod":
            yield from _module(thing, given, scope, inside_opened.at(start))
            if thing.child_by_field_name("body"):
                scopes.enter(_plain(thing.child_by_field_name("name").text), thing)
        elif kind == "use":
            first = thing.named_child(0)
            is_seen = first is not None and first.type == "visibility_modifier"
            for path, name in leaves(thing):
                yield Import(path, name, level=int(is_seen), kind="use", form=scope)
        else:
            yield from _definition(kind, thing, given, scope)


def _definition(kind: str, node: Node, given: list[str], scope: str) -> Iterator[Import]:
    named = node.child_by_field_name("name")
    name = _plain(named.text or b"") if named else ""
    if kind == "extern":
        alias = node.child_by_field_name("alias")
        level = int(any("macro_use" in attribute for attribute in given))
        yield Import(name, _plain(alias.text or b"") if alias else name, level, "extern", scope)
    elif kind == "include":
        if match := _INCLUDE.match(text(node)[:_MAX_INCLUDE]):
            yield Import(match[2] or "", match[1], kind="include", form=scope)
    elif kind == "open":
        yield Import("", kind="open", form=scope)
    elif kind == "macro":
        yield Import("", name, int(any("macro_export" in attribute for attribute in given)), "macro", scope)
    else:
        derived = [match[1] for attribute in given if (match := _DERIVE.match(attribute))]
        for defined in (name, *derived):
            yield Import("", defined, kind="item", form=scope)


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
    level = uses_macros | (MAYBE if is_unsure or possible else 0)
    if kind == "inline":
        yield Import((certain or possible or [""])[0], name, level, kind, scope)
        return
    for path in certain[:1] or [*possible, ""]:
        yield Import(path, name, level, kind, scope)


def _path(code: bytes, match: re.Match[bytes], is_pattern: bool) -> str:
    """A path in code, ``""`` where what it begins with is unknown: a type's own name, or a macro's caller's."""
    first = match[2]
    if first == b"Self" or (is_pattern and first not in (b"$crate", b"crate")):
        return ""
    if match[1] and code[match.start() - 1 : match.start()] == b">":
        return ""
    names = [b"crate" if first == b"$crate" else first, *match[3].split(b"::")[1:]]
    return ("::" if match[1] else "") + "::".join(_plain(name) for name in names)


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
