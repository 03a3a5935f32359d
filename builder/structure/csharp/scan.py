"""One C# file by itself: what it declares and which names it uses in which scope, its outline and header."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from builder.structure.csharp.facts import TYPES, Source, Use
from builder.structure.csharp.names import written
from builder.structure.csharp.outline import outline
from builder.structure.csharp.regions import Region, declared, placed
from builder.structure.csharp.repair import first_branches
from builder.structure.syntax import Unparsed, captures_by_name, lines, parse, text

if TYPE_CHECKING:
    from tree_sitter import Node

GRAMMAR = "tree_sitter_c_sharp"
_NAME = "[(identifier) (qualified_name) (generic_name) (alias_qualified_name)]"
# `own` are the names of what is local, `generic` those of type parameters: both hide what they are the names
# of. `other` are identifiers that no scope is searched for, or that are part of what is captured whole.
_QUERY = f"""
(identifier) @name
(comment) @comment
(using_directive) @using
[(namespace_declaration) (file_scoped_namespace_declaration) {" ".join(f"({kind})" for kind in TYPES)}] @scope
[(method_declaration) (constructor_declaration) (destructor_declaration) (operator_declaration)
 (conversion_operator_declaration) (property_declaration) (indexer_declaration) (event_declaration)
 (field_declaration) (event_field_declaration) (enum_member_declaration)] @member
(global_attribute) @global
(_ type: {_NAME} @type)
(_ returns: {_NAME} @type)
(base_list {_NAME} @type)
(type_argument_list {_NAME} @type)
(explicit_interface_specifier {_NAME} @type)
(as_expression right: {_NAME} @type)
(is_expression right: {_NAME} @type)
(constant_pattern (generic_name) @type)
(type_pattern {_NAME} @type)
(attribute name: {_NAME} @attribute)
(member_access_expression) @access
(constant_pattern [(identifier) (member_access_expression)] @pattern)
(invocation_expression function: (identifier) @_function
  arguments: (argument_list . (argument .
    [(identifier) (generic_name) (member_access_expression)] @nameof .) .)
  (#eq? @_function "nameof"))
(invocation_expression) @invocation
(invocation_expression function: (conditional_access_expression (member_binding_expression name: (_) @bound)))
(_ name: (identifier) @other)
(_ alias: (identifier) @other)
(qualified_name qualifier: (identifier) @other)
(generic_name (identifier) @other)
(using_directive (identifier) @other)
(preproc_if condition: (identifier) @other)
(labeled_statement (identifier) @other)
(goto_statement (identifier) @other)
(subpattern . (identifier) @other)
(with_initializer . (identifier) @other)
(initializer_expression (assignment_expression left: (identifier) @other))
(type_parameter_constraints_clause . (identifier) @other)
(type_parameter name: (identifier) @generic)
(parameter name: (identifier) @own)
(parameter_list name: (identifier) @own)
(implicit_parameter) @own
(local_declaration_statement (variable_declaration (variable_declarator name: (identifier) @own)))
(using_statement (variable_declaration (variable_declarator name: (identifier) @own)))
(for_statement (variable_declaration (variable_declarator name: (identifier) @own)))
(fixed_statement (variable_declaration (variable_declarator name: (identifier) @own)))
(foreach_statement left: (identifier) @own)
(tuple_pattern name: (identifier) @own)
(parenthesized_variable_designation name: (identifier) @own)
(declaration_pattern name: (identifier) @own)
(recursive_pattern name: (identifier) @own)
(list_pattern name: (identifier) @own)
(var_pattern name: (identifier) @own)
(declaration_expression name: (identifier) @own)
(catch_declaration name: (identifier) @own)
(local_function_statement name: (identifier) @own)
(from_clause name: (identifier) @own)
(join_clause . (identifier) @own)
(join_into_clause (identifier) @own)
(let_clause . (identifier) @own)
"""
_TOO_DEEP = re.compile(rb"(?:<\s*+\w++\s*+){200}")
_MAX_PARTS = 12  # of a name with dots
_FRIEND = re.compile(r'\bInternalsVisibleTo(?:Attribute)?\s*\(\s*@?"([^",]*)|\bInternalsVisibleTo\b')


def scan(source: bytes) -> Source:
    """Read one file. A text with syntax errors gives what parses of it."""
    if _TOO_DEEP.search(source):
        raise Unparsed("type arguments nested too deep")  # a query takes quadratic time on them
    root = parse(GRAMMAR, source)
    found = captures_by_name(GRAMMAR, _QUERY, root)
    if root.has_error and b"#" in source:
        # The grammar knows directives between declarations and statements, but not within them.
        plain = parse(GRAMMAR, first_branches(source))
        if not plain.has_error:
            usings = found.get("using", [])
            root = plain
            found = captures_by_name(GRAMMAR, _QUERY, root) | {"using": usings}
    regions, scopes = declared(root, found, source)
    for node, index in placed(found.get("generic", ()), regions):
        regions[index].generic.add(written(node))
    for node, index in placed(found.get("own", ()), regions):
        if regions[index].kind != "record_declaration":  # whose parameters are properties
            regions[index].own.add(written(node))
    header = {line for using in found.get("using", ()) for line in lines(using)}
    for child in root.named_children:
        if child.type not in ("comment", "preproc_region", "preproc_endregion"):
            break
        header.update(lines(child))
    entries = outline(found.get("scope", []) + found.get("member", []), found.get("comment", []), source)
    used = tuple(dict.fromkeys(_uses(found, regions)))
    return Source((), entries, frozenset(header), False, scopes, used, tuple(_friends(found)))


def _uses(found: dict[str, list[Node]], regions: list[Region]) -> Iterator[Use]:
    chains, own = _chains(found.get("access", ()))
    forms = {node.id: "nameof" for node in found.get("nameof", ())}
    forms.update((node.id, "pattern") for node in found.get("pattern", ()))
    taken = {node.id for name in ("type", "attribute", "other", "own") for node in found.get(name, ())}
    taken.update(head.id for head, _, _ in chains.values())
    hidden = _Hidden(regions)
    for form in ("type", "attribute"):
        for node, index in placed(found.get(form, ()), regions):
            name = written(node)
            if not hidden.by_type_parameter(name, index):
                yield Use(regions[index].scope, form, name)
    functions = (node.child_by_field_name("function") for node in found.get("invocation", ()))
    called = {node.id: node for node in functions if node and node.type == "member_access_expression"}
    by_head = {head.id: (names, last) for head, names, last in chains.values()}
    for head, index in placed((head for head, _, _ in chains.values()), regions):
        names, last = by_head[head.id]
        first = written(head)
        is_local = hidden.by_anything(first, index)
        scope = regions[index].scope
        if not is_local:
            yield Use(scope, forms.get(last, "value"), ".".join([first, *names]))
        if called.pop(last, None) is not None:
            yield Use(scope, "call", names[-1], "" if is_local else ".".join([first, *names[:-1]]))
    for node, index in placed([*called.values(), *found.get("bound", ())], regions):
        method: Node | None = node
        if node.type == "member_access_expression":
            first_child = node.child(0)
            method = node.child_by_field_name("name")
            if first_child is not None and first_child.type == "base":
                continue  # an extension is no member of a base
        yield Use(regions[index].scope, "call", written(method).partition("`")[0])
    for node, index in placed(own, regions):
        yield Use(regions[index].scope, "this", written(node))
    rest = [node for node in found.get("name", ()) if node.id not in taken]
    for node, index in placed(rest, regions):
        name = written(node)
        if not hidden.by_anything(name, index):
            yield Use(regions[index].scope, forms.get(node.id, "bare"), name)


def _chains(accesses: Iterable[Node]) -> tuple[dict[int, tuple[Node, list[str], int]], list[Node]]:
    """Names with dots, of each the first part's node, the other parts, and the whole's id; by the latter.

    And the names behind `this`. A query that told them apart would take quadratic time on deep nesting.
    """
    chains: dict[int, tuple[Node, list[str], int]] = {}
    own: list[Node] = []
    for access in sorted(accesses, key=lambda node: node.end_byte):
        left, behind = access.child(0), access.child_by_field_name("name")
        if left is None or behind is None:
            continue
        name = written(behind)
        if left.type in ("identifier", "generic_name", "alias_qualified_name"):
            chains[access.id] = left, [name], access.id
        elif left.type == "this":
            own.append(behind)
        elif left.id in chains:
            head, names, _ = chains.pop(left.id)
            if len(names) < _MAX_PARTS:
                names.append(name)
            chains[access.id] = head, names, access.id
    for _, names, _ in chains.values():
        names[-1] = names[-1].partition("`")[0]  # a method's type arguments
    return chains, own


class _Hidden:
    """Whether what is local to a region, or to one around it, hides a name."""

    def __init__(self, regions: list[Region]) -> None:
        self._regions = regions

    def by_type_parameter(self, name: str, index: int) -> bool:
        """Whether ``name`` is a type parameter."""
        return any(name in region.generic for region in self._around(index))

    def by_anything(self, name: str, index: int) -> bool:
        """Whether ``name`` is a type parameter, a parameter or a variable."""
        return any(name in region.own or name in region.generic for region in self._around(index))

    def _around(self, index: int) -> Iterator[Region]:
        if index == 0:  # what top-level statements declare is not seen by types
            yield self._regions[0]
        while index > 0:
            yield self._regions[index]
            index = self._regions[index].parent


def _friends(found: dict[str, list[Node]]) -> Iterator[str]:
    for node in found.get("global", ()):
        for match in _FRIEND.finditer(text(node)):
            yield match[1] or "*"
