"""Which files are parts of one program, as their includes tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

_MAX_STEPS = 3_000_000  # each search may walk over all files


class Programs:
    """The programs of a repository. ``targets`` are the files that each file includes."""

    def __init__(self, targets: Mapping[str, set[str]]) -> None:
        self._targets = targets
        self._sources: dict[str, set[str]] = defaultdict(set)
        for path, found in targets.items():
            for target in found:
                self._sources[target].add(path)
        self._program: dict[str, str] = {}
        for start in sorted({*targets, *self._sources}):
            if start not in self._program:
                for path in _reached([start], targets, self._sources):
                    self._program.setdefault(path, start)
        self._together: dict[str, set[str]] = {}
        self._above: dict[str, set[str]] = {}
        self._steps = 0

    def of(self, path: str) -> str | None:
        """One file that stands for all that includes join with a file, in whatever direction."""
        return self._program.get(path)

    def above(self, path: str) -> set[str]:
        """The file at ``path`` and those that include it, at whatever distance; none past a bound."""
        if path not in self._above:
            self._above[path] = self._searched([path], self._sources)
        return self._above[path]

    def loaded_with(self, path: str, candidates: Iterable[str]) -> list[str]:
        """Those of some files that a script may load together with the file at ``path``."""
        found = []
        for candidate in sorted(candidates):
            if candidate not in self._together:
                self._together[candidate] = self._searched(self.above(candidate), self._targets)
                if not self._together[candidate]:
                    return []  # what it is loaded with cannot be told
            if path in self._together[candidate]:
                found.append(candidate)
        return found

    def _searched(self, starts: Iterable[str], graph: Mapping[str, set[str]]) -> set[str]:
        if self._steps > _MAX_STEPS:
            return set()
        reached = _reached(starts, graph)
        self._steps += len(reached)
        return reached


def _reached(starts: Iterable[str], *graphs: Mapping[str, set[str]]) -> set[str]:
    reached = set(starts)
    stack = list(reached)
    while stack:
        path = stack.pop()
        for graph in graphs:
            new = graph.get(path, set()) - reached
            reached |= new
            stack += new
    return reached
