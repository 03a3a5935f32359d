"""What the benchmarks share: fetching, comparing, and the promises on order, JSON and speed."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Collection
from pathlib import Path

import networkx

from builder.repository import Repository, load
from builder.structure import Blueprint, analyze, as_json

Edge = tuple[str, str]
CACHE = Path(os.environ.get("REPO2AGENT_CACHE") or ".cache/benchmarks")


def fetch(package: str) -> Repository:
    """The source distribution that a pinned package URL names, from the benchmark's cache or the index."""
    return load(package, cache=CACHE)


def environment(name: str, requirement: str) -> Path:
    """The interpreter of an environment of its own that holds ``requirement``, made where it is missing."""
    folder = CACHE / "environments" / f"{name}-{requirement.replace('==', '-')}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", requirement]
        subprocess.run(pip, check=True)
        (folder / "ready").touch()
    return python


def write_out(repository: Repository, folder: Path, suffixes: tuple[str, ...]) -> None:
    """Put the included files on disk for an oracle: exactly the text that the project itself has read."""
    for file in repository.files:
        if file.path.endswith(suffixes):
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.content, encoding="utf-8", newline="")


def compare(name: str, ours: Collection[Edge], oracle: Collection[Edge], show: bool) -> tuple[float, float]:
    """Print precision and recall of ``ours`` against ``oracle``, and with ``show`` where they differ."""
    found, wanted = set(ours), set(oracle)
    precision = len(found & wanted) / max(1, len(found))
    recall = len(found & wanted) / max(1, len(wanted))
    print(f"{name:28} {len(wanted):6} edges   precision {precision:.4f}   recall {recall:.4f}", flush=True)
    if show:
        for sign, edges in (("+", found - wanted), ("-", wanted - found)):
            for source, target in sorted(edges):
                print(f"    {sign} {source} -> {target}")
    return precision, recall


def violations(blueprint: Blueprint) -> list[Edge]:
    """Edges outside a cycle that the order does not run from later to earlier: there must be none."""
    graph = networkx.DiGraph([(edge.source, edge.target) for edge in blueprint.dependencies])
    component = {
        path: number
        for number, members in enumerate(networkx.strongly_connected_components(graph))
        for path in members
    }
    place = {path: number for number, path in enumerate(blueprint.order)}
    assert len(place) == len(blueprint.repository.files), "the order is not a permutation of the files"
    return sorted(
        (source, target)
        for source, target in graph.edges
        if component[source] != component[target] and place[target] >= place[source]
    )


def broken_promises(name: str, repository: Repository, blueprint: Blueprint) -> list[str]:
    """What does not hold of the order and of another run with 8 workers, in words."""
    problems = []
    if wrong := violations(blueprint):
        problems.append(f"{name}: {len(wrong)} edges run the wrong way in the order, such as {wrong[0]}")
    if serialised(blueprint) != serialised(analyze(repository, workers=8)):
        problems.append(f"{name}: another run with 8 workers gives other JSON")
    return problems


def serialised(blueprint: Blueprint) -> str:
    """The JSON that ``repo2agent structure --json`` prints."""
    return json.dumps(as_json(blueprint), ensure_ascii=False)


def ratio(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> float:
    """How many times as long ``ours`` takes as ``theirs``: medians of ``rounds`` that alternate.

    In seconds of this process on a core, so that a busy machine does not disturb.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for run, taken in zip((ours, theirs), seconds, strict=True):
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    return statistics.median(seconds[0]) / statistics.median(seconds[1])


def fail(problems: list[str]) -> None:
    """End with status 1 and a line for each problem, where there are any."""
    if problems:
        sys.exit("\n".join(f"FAILED: {problem}" for problem in problems))
