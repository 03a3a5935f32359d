"""Where names stand in a C# file: its declarations as regions of the text, the scopes among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder.structure.csharp.facts import LOST, TYPES, Scope, Using
from builder.structure.csharp.members import bases, members, modifiers, type_name
from builder.structure.csharp.names import written
from builder.structure.csharp.repair import Braces, namespaces

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_DEPTH = 30  # what is nested deeper counts to what is around it


@dataclass
class Region:
    """A declaration, in which names may be hidden; ``scope`` is the innermost around what stands in it."""

    start: int
    end: int
    kind: str  # of its node
    scope: int
    parent: int
    depth: int
    num_braces: int  # that scopes have around what stands in it
    own: set[str] = field(default_factory=set)
    generic: set[str] = field(default_factory=set)


@dataclass
class _Draft:
    """A scope in the making; ``name`` of a namespace whose node is lost in an error."""

    kind: str
    parent: int
    node: Node | None = None
    name: str = ""
    usings: list[Using] = field(default_factory=list)
    members: list[Node] = field(default_factory=list)

    def scope(self) -> Scope:
        if self.node is None or self.kind not in TYPES:
            name = self.name or written(self.node and self.node.child_by_field_name("name"))
            return Scope("namespace" if name else "file", name, self.parent, tuple(self.usings))
        own = tuple(members(self.node, self.members))
        kind = LOST if self.name == LOST else TYPES[self.kind]
        listed = tuple(bases(self.node))
        return Scope(kind, type_name(self.node), self.parent, (), modifiers(self.node), listed, own)


def declared(
    root: Node, found: dict[str, list[Node]], source: bytes
) -> tuple[list[Region], tuple[Scope, ...]]:
    """What a file declares, and the scopes among it, both in the order of the text."""
    nodes = found.get("scope", []) + found.get("member", []) + found.get("using", [])
    places = [(node.start_byte, -node.end_byte, node.type, node) for node in nodes]
    names: dict[int, str] = {}
    braces = Braces(source) if root.has_error else None
    if braces is not None:
        known = {start for start, _, kind, _ in places if kind.endswith("namespace_declaration")}
        lost = [
            place for place in namespaces(source) if place[0] not in known and not braces.is_text(place[0])
        ]
        ends = [start for start, _, _ in lost[1:]] + [root.end_byte]
        for (start, name, is_whole), end in zip(lost, ends, strict=False):
            names[start] = name
            kind = "file_scoped_namespace_declaration" if is_whole else "namespace_declaration"
            places.append((start, -end, kind, root))
    regions = [Region(0, root.end_byte, "", 0, -1, 0, 0)]
    drafts = [_Draft("", -1)]
    current = 0
    for start, end, kind, node in sorted(places, key=lambda place: place[:2]):
        while regions[current].end <= start and current:
            current = regions[current].parent
        around = regions[current]
        if kind == "using_directive":
            drafts[around.scope].usings.append(_using(node))
            continue
        is_scope = kind in TYPES or kind.endswith("namespace_declaration")
        if not is_scope:
            drafts[around.scope].members.append(node)
        if around.depth == _MAX_DEPTH:
            continue
        is_whole = kind == "file_scoped_namespace_declaration"
        if is_scope:
            name = names.get(start, "") if node is root else ""
            if kind in TYPES and braces is not None:
                # With a brace around it that no scope has, it is not what it seems.
                is_lost = braces.depth(start) != around.num_braces or drafts[around.scope].name == LOST
                name = LOST if is_lost else ""
            drafts.append(_Draft(kind, around.scope, None if node is root else node, name))
        region = Region(
            start, around.end if is_whole else -end, kind, around.scope, current, around.depth + 1, 0
        )
        region.num_braces = around.num_braces + (is_scope and not is_whole)
        region.scope = len(drafts) - 1 if is_scope else around.scope
        regions.append(region)
        current = len(regions) - 1
    return regions, tuple(draft.scope() for draft in drafts)


def _using(node: Node) -> Using:
    words = {child.type for child in node.children if not child.is_named}
    alias = node.child_by_field_name("name")
    target = next((child for child in reversed(node.named_children) if child.type != "comment"), None)
    return Using(written(target), written(alias), "static" in words, "global" in words)


def placed(nodes: Iterable[Node], regions: list[Region]) -> Iterator[tuple[Node, int]]:
    """Nodes in the order of the text, each with the innermost region around it."""
    current = following = 0
    starts = [region.start for region in regions]
    for node in sorted(nodes, key=lambda node: node.start_byte):
        start = node.start_byte
        while following < len(regions) and starts[following] <= start:
            current, following = following, following + 1
        while regions[current].parent >= 0 and regions[current].end <= start:
            current = regions[current].parent
        yield node, current
