"""One Kotlin file by itself: imports, declarations and names it uses; see :mod:`builder.structure.jvm`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from builder.structure.jvm.blocks import Block, around, dotted, nested, words
from builder.structure.jvm.kotlin_outline import outline
from builder.structure.jvm.resolve import link
from builder.structure.languages import Facts, Import
from builder.structure.syntax import captures_by_name, lines, parse, text

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["link", "scan"]

GRAMMAR = "tree_sitter_kotlin"
# Names are read from where they begin. `part` are pieces of a dotted one and what is no use at all; `own` are
# names that the file gives to something; `called` are what is asked of a value: perhaps an extension.
_NAMES = """
(package_header (_) @package)
(import) @import
(file_annotation) @file_annotation
[(class_declaration) (object_declaration) (type_alias)] @type
(block [(class_declaration) (object_declaration)] @local)
(lambda_literal [(class_declaration) (object_declaration)] @local)
(source_file (function_declaration) @function)
(object_literal (class_body)) @anonymous
(enum_entry (class_body)) @anonymous
[(function_declaration (type_parameters)) (property_declaration (type_parameters))] @generic
(_ (class_body [(function_declaration name: (identifier) @member)
  (property_declaration (variable_declaration (identifier) @member))]))
(enum_class_body [(function_declaration name: (identifier) @member)
  (property_declaration (variable_declaration (identifier) @member))])
(class_parameter ["val" "var"] (identifier) @member ":")
(identifier) @name
(user_type (identifier) @typed)
(user_type (identifier) (identifier) @part)
(qualified_identifier (identifier) @part)
(import (identifier) @part)
(navigation_expression (_) (identifier) @part @called)
(infix_expression (_) (identifier) @part @called (_))
(callable_reference (_) (identifier) @part @called)
(class_declaration name: (identifier) @part)
(object_declaration name: (identifier) @part)
(companion_object name: (identifier) @part)
(type_alias type: (identifier) @part)
(type_parameter (identifier) @part)
(type_constraint . (identifier) @part)
(enum_entry . (identifier) @part)
(return_expression label: (identifier) @part)
[(this_expression (identifier) @part) (super_expression (identifier) @part)]
(value_argument (identifier) @part "=")
(function_declaration name: (identifier) @own)
(variable_declaration (identifier) @own)
(parameter (identifier) @own ":")
(class_parameter (identifier) @own ":")
(catch_block . (identifier) @own)
(setter . (identifier) @own)
"""
_JVM_NAME = re.compile(r"@file\s*:\s*(?:\[\s*)?JvmName\s*\(\s*\"(\w+)\"")
_FORM = re.compile(r"\b(?:private|expect)\b")
# What the grammar gets wrong is put right by texts of the same length. It takes these modifiers for names
# after an annotation, and wants the end of a line or a semicolon before the bracket that closes a body.
_MODIFIER = re.compile(
    rb"\b(?:annotation(?= +class\b)|const(?= +val\b)|(?:data|sealed)(?= +(?:interface|object)\b))"
)
_CLOSING = re.compile(rb"(?<=[\w)\]}>\"?*]) (?=\})")
# What stands at the beginning of a line is found where the tree has lost it.
_TOP = re.compile(
    r"^(?:(?:public|internal|abstract|open|final|annotation|data|enum|sealed|value|inline|expect|actual|suspend"
    r"|operator|infix|const|fun(?=[ \t]+interface))[ \t]+)*"
    r"(class|interface|object|fun|va[lr])[ \t]+(\w+)(?![\w.<?])",
    re.MULTILINE,
)


def scan(source: bytes) -> Facts:
    """Read one file. A text with syntax errors gives what parses of it."""
    readable = _MODIFIER.sub(lambda match: b" " * len(match[0]), source)
    root = parse(GRAMMAR, readable)
    if root.has_error:
        closed = parse(GRAMMAR, _CLOSING.sub(b";", readable))
        root = root if closed.has_error else closed
    found = captures_by_name(GRAMMAR, _NAMES, root)
    facts: dict[Import, None] = {}
    for node in found.get("package", ())[:1]:
        facts[Import(dotted(source, node.start_byte), kind="package")] = None
    for node in found.get("file_annotation", ()):
        if match := _JVM_NAME.match(text(node)):
            facts[Import(match[1], kind="facade")] = None
    for node in sorted(found.get("import", ()), key=lambda node: node.start_byte):
        written = [word.replace("`", "") for word in words(text(node))[1:]]
        alias = written[-1] if "as" in written[1:-1] else ""
        name = written[0] if written else ""
        if name.strip(".*"):
            facts[Import(name.removesuffix(".*"), "*" if name.endswith(".*") else alias)] = None
    facts.update(dict.fromkeys(_callables(root)))
    facts.update(dict.fromkeys(_names(found, source)))
    if root.has_error:
        facts.update(dict.fromkeys(_lost(facts, source)))
    return Facts(tuple(facts), tuple(outline(root, source)), frozenset(_header(root)))


def _header(root: Node) -> Iterator[int]:
    """Comments that the package or an import follows, annotations of the file, and imports."""
    leading: list[int] = []
    is_top = True
    for child in root.named_children:
        if child.type.endswith("comment") and is_top:
            leading += lines(child)
            continue
        if child.type in ("package_header", "import", "file_annotation", "shebang"):
            yield from leading
            leading = []
        if child.type in ("import", "file_annotation"):
            yield from lines(child)
        is_top = is_top and child.type in ("file_annotation", "shebang")


def _callables(root: Node) -> Iterator[Import]:
    """Functions and properties at the top level, with the types that they extend."""
    for child in root.named_children:
        if child.type not in ("function_declaration", "property_declaration"):
            continue
        parts = child.named_children
        form = _form(_modifiers(parts[0])) if parts else ""
        if child.type == "function_declaration":
            named = [child.child_by_field_name("name")]
        else:
            named = []
            for part in parts:
                if part.type == "variable_declaration":
                    named.append(next(iter(part.named_children), None))
                elif part.type == "multi_variable_declaration":
                    named += [next(iter(inner.named_children), None) for inner in part.named_children]
        receiver = ""
        for part in parts:
            if part.type in ("variable_declaration", "identifier"):
                break
            if part.type in ("user_type", "nullable_type"):
                receiver = re.split(r"[<?]", text(part))[0].strip("( ")
        for name in filter(None, map(text, named)):
            yield Import(name, receiver, kind="callable", form=form)


def _lost(facts: Mapping[Import, None], source: bytes) -> Iterator[Import]:
    """Declarations of a text with syntax errors that its tree may lack."""
    known = {entry.module for entry in facts if entry.kind in ("type", "callable")}
    for match in _TOP.finditer(source.decode("utf-8", "replace")):
        if match[2] not in known:
            is_type = match[1] in ("class", "interface", "object")
            yield Import(match[2], kind="type" if is_type else "callable")


def _form(modifiers: str) -> str:
    match = _FORM.search(modifiers)
    return match[0] if match else ""


def _modifiers(node: Node) -> str:
    return text(node) if node.type == "modifiers" else ""


def _names(found: Mapping[str, list[Node]], source: bytes) -> Iterator[Import]:
    """Types, their supertypes and members, and what is used where."""
    blocks = [Block(node.start_byte, node.end_byte) for node in found.get("function", ())]
    types: list[tuple[Block, Node]] = []
    local = {node.id for node in found.get("local", ())}
    hidden: list[tuple[int, str]] = []
    nodes = [*found.get("type", ()), *found.get("anonymous", ())]
    for number, node in enumerate(nodes):
        is_named = node.type not in ("object_literal", "enum_entry")
        field = "type" if node.type == "type_alias" else "name"
        name = text(node.child_by_field_name(field)) if is_named else ""
        children = {child.type: child for child in reversed(node.named_children)}
        if node.id in local:
            hidden.append((node.start_byte, name))
        if node.id in local or not name:
            name = str(number)
        # Types inside a class are seen in the parameters of its constructor, too.
        first = children.get("primary_constructor") or children.get("class_body")
        first = first or children.get("enum_class_body")
        start = first.start_byte if first else node.end_byte
        blocks.append(block := Block(start, node.end_byte, name))
        types.append((block, node))
        if "type_parameters" in children:
            blocks.append(
                Block(node.start_byte, node.end_byte, hidden=_parameters(children["type_parameters"]))
            )
    for node in found.get("generic", ()):
        for child in node.named_children:
            if child.type == "type_parameters":
                blocks.append(Block(node.start_byte, node.end_byte, hidden=_parameters(child)))
    ordered = nested(blocks, hidden)
    for block, node in types:
        children = {child.type: child for child in node.named_children}
        form = _form(text(children.get("modifiers")))
        yield Import(block.path, kind="type", form="" if block.outer else form)
        for base in _supertypes(children.get("delegation_specifiers")):
            yield Import(block.path, dotted(source, base.start_byte), kind="extends")
    members = ((node.start_byte, node) for node in found.get("member", ()))
    for (_, node), holder in around(ordered, members):
        if holder is not None:
            yield Import(holder.path, text(node), kind="member")
    yield from _uses(found, source, ordered)


def _uses(found: Mapping[str, list[Node]], source: bytes, ordered: list[Block]) -> Iterator[Import]:
    own = {node.text for node in found.get("own", ())}
    parts = {node.id for name in ("part", "own") for node in found.get(name, ())}
    typed = {node.id for node in found.get("typed", ())}
    places = [
        (node.start_byte, node.id in typed)
        for node in found.get("name", ())
        if node.id not in parts and (node.id in typed or node.text not in own)
    ]
    for (start, is_type), block in around(ordered, places):
        name = dotted(source, start)
        kind = "use" if is_type else "value"
        if block is None:
            yield Import("", name, kind=kind)
        elif name.partition(".")[0] not in block.hidden:
            yield Import(block.path, name, kind=kind)
    for called in dict.fromkeys(node.text or b"" for node in found.get("called", ())):
        yield Import(called.decode("utf-8", "replace"), kind="called")


def _parameters(parameters: Node) -> set[str]:
    children = [part for child in parameters.named_children for part in child.named_children]
    return {text(part) for part in children if part.type == "identifier"}


def _supertypes(specifiers: Node | None) -> Iterator[Node]:
    for specifier in specifiers.named_children if specifiers else ():
        node: Node | None = specifier
        while node is not None and node.type != "user_type":
            node = next(iter(node.named_children), None)
        if node is not None:
            yield node
