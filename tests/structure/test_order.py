"""The order of writing: a permutation that respects every edge outside a cycle."""

from __future__ import annotations

import itertools
import random

import networkx
from hypothesis import given
from hypothesis import strategies as st

from builder.structure import Dependency
from builder.structure.order import order

_PATHS = [f"{folder}{name}.py" for folder in ("", "a/", "tests/") for name in "klmn"]
_EDGES = st.builds(
    Dependency,
    st.sampled_from(_PATHS),
    st.sampled_from(_PATHS),
    st.sampled_from(["import", "lazy", "type-only"]),
)


def components(edges: list[Dependency]) -> dict[str, int]:
    graph = networkx.DiGraph([(edge.source, edge.target) for edge in edges])
    return {
        path: n for n, group in enumerate(networkx.strongly_connected_components(graph)) for path in group
    }


def edges_outside(part: dict[str, int], edges: list[Dependency]) -> list[Dependency]:
    return [edge for edge in edges if part[edge.source] != part[edge.target]]


@given(st.lists(_EDGES, max_size=30, unique_by=lambda edge: (edge.source, edge.target)), st.randoms())
def test_edges_outside_cycles_run_backwards(edges, rng: random.Random):
    languages = dict.fromkeys(_PATHS, "Python")
    written = order(languages, edges)
    assert sorted(written) == sorted(_PATHS)

    part = components(edges)
    strong = [edge for edge in edges if edge.kind == "import"]
    if networkx.is_directed_acyclic_graph(networkx.DiGraph([(edge.source, edge.target) for edge in strong])):
        respected = edges_outside(part, edges) + strong  # all cycles go through edges that give way
    else:
        respected = edges_outside(part, edges)
    for edge in respected:
        assert written.index(edge.target) < written.index(edge.source)

    shuffled = rng.sample(edges, len(edges))
    assert order(dict.fromkeys(rng.sample(_PATHS, len(_PATHS)), "Python"), shuffled) == written


def test_weak_edges_give_way_first():
    files = dict.fromkeys(["a.py", "b.py"], "Python")
    weak_first = [Dependency("a.py", "b.py", "import"), Dependency("b.py", "a.py", "type-only")]
    assert order(files, weak_first) == ("b.py", "a.py")
    lazy = [Dependency("a.py", "b.py", "lazy"), Dependency("b.py", "a.py", "type-only")]
    assert order(files, lazy) == ("b.py", "a.py")


def test_files_without_edges_by_what_they_are():
    languages = {
        "tests/test_a.py": "Python",
        "a.py": "Python",
        "docs/index.md": "Markdown",
        "LICENSE": "",
        "pyproject.toml": "TOML",
        "README.md": "Markdown",
        "conftest.py": "Python",
    }
    assert order(languages, []) == (
        "README.md", "pyproject.toml", "LICENSE", "docs/index.md", "a.py", "conftest.py", "tests/test_a.py",
    )  # fmt: skip


def test_long_chains_and_large_cycles():
    paths = [f"{n:05}.py" for n in range(5_000)]
    chain = [Dependency(a, b, "import") for a, b in itertools.pairwise(paths)]
    languages = dict.fromkeys(paths, "Python")
    assert order(languages, chain) == tuple(reversed(paths))
    assert sorted(order(languages, [*chain, Dependency(paths[-1], paths[0], "import")])) == paths
