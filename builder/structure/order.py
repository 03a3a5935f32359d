"""The order in which files are written: what is needed comes before what needs it."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from builder.structure.detection import is_code
from builder.structure.types import Dependency

_GIVE_WAY = ("type-only", "lazy")  # the kinds of edges that break a cycle, the first ones first
_README = re.compile(r"README(?:\.\w+)?", re.IGNORECASE)
_METADATA = {
    "pyproject.toml", "setup.cfg", "setup.py", "package.json", "Cargo.toml", "go.mod", "go.work", "pom.xml",
    "build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts", "composer.json", "Gemfile",
    "CMakeLists.txt", "Directory.Build.props", "Directory.Packages.props", "global.json",
}  # fmt: skip
_TEST = re.compile(
    r"(?:.*/)?(?:[\w.-]*[._-])?(?:tests?|testing|specs?|__tests__)/.*|(?:.*/)?(?:(?:test_|conftest)[^/]*|[^/]*[._-](?:test|spec)s?)\.\w+",
    re.IGNORECASE,
)


def order(languages: Mapping[str, str], dependencies: Iterable[Dependency]) -> tuple[str, ...]:
    """Every path of ``languages`` once, so that each edge outside a cycle has its target first.

    Within what the edges leave open: README, packaging metadata, other documents and settings, sources,
    tests; ties by path. In a cycle type-only edges give way first, then lazy ones, then as few others as a
    greedy choice finds.
    """
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from(sorted(languages))
    edges = [edge for edge in sorted(dependencies) if edge.source != edge.target]
    # From what is needed to what needs it: the direction of writing.
    graph.add_edges_from((edge.target, edge.source, {"kind": edge.kind}) for edge in edges)
    rank = {path: (_group(path, language), path) for path, language in languages.items()}
    return tuple(_sorted(graph, rank, _GIVE_WAY))


def out_of_order(written: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The ``(source, target)`` pairs outside a cycle of which the target is not written before the source."""
    import networkx

    graph = networkx.DiGraph(edges)
    component = {
        path: number
        for number, members in enumerate(networkx.strongly_connected_components(graph))
        for path in members
    }
    place = {path: number for number, path in enumerate(written)}
    return sorted(
        (source, target)
        for source, target in graph.edges
        if component[source] != component[target] and place[target] >= place[source]
    )


def _sorted(graph: Any, rank: Mapping[str, Any], give_way: tuple[str, ...]) -> list[str]:
    """Recursion is as deep as there are kinds that give way."""
    import networkx

    condensed = networkx.condensation(graph)
    first = {node: min(rank[path] for path in members) for node, members in condensed.nodes(data="members")}
    written: list[str] = []
    for node in networkx.lexicographical_topological_sort(condensed, key=first.__getitem__):
        members = condensed.nodes[node]["members"]
        if len(members) == 1:
            written += members
            continue
        cycle = graph.subgraph(members)
        if not give_way:
            written += _greedy(cycle, rank)
            continue
        rest = networkx.DiGraph()
        rest.add_nodes_from(members)
        rest.add_edges_from(
            (a, b, data) for a, b, data in cycle.edges(data=True) if data["kind"] != give_way[0]
        )
        written += _sorted(rest, rank, give_way[1:])
    return written


def _greedy(cycle: Any, rank: Mapping[str, Any]) -> list[str]:
    """Take whatever lacks the fewest of its dependencies, again and again."""
    missing = dict(cycle.in_degree())
    heap = [(count, rank[path], path) for path, count in missing.items()]
    heapq.heapify(heap)
    written: dict[str, None] = {}
    while heap:
        count, _, path = heapq.heappop(heap)
        if path in written or count != missing[path]:
            continue
        written[path] = None
        for dependent in cycle.successors(path):
            if dependent not in written:
                missing[dependent] -= 1
                heapq.heappush(heap, (missing[dependent], rank[dependent], dependent))
    return list(written)


def _group(path: str, language: str) -> int:
    folder, _, name = path.rpartition("/")
    if not folder and _README.fullmatch(name):
        return 0
    if not folder and (name in _METADATA or name.endswith(".gemspec")):
        return 1
    if _TEST.fullmatch(path):
        return 4
    return 3 if is_code(language) else 2
