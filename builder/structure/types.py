"""What this room gives to the next one: a repository with its languages, graph, outlines and order."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from builder.repository import Repository

KINDS = ("import", "include", "same-package", "header-pair", "lazy", "type-only")  # the strongest first


@dataclass(frozen=True, order=True)
class Dependency:
    """An edge: ``source`` needs ``target``; both are paths of included files. ``kind`` is one of KINDS."""

    source: str
    target: str
    kind: str


@dataclass(frozen=True)
class Definition:
    """One entry of an outline, in source order. Lines count from 1; ``end_line`` is included.

    ``signature_lines`` are the lines that the outline shows (decorators, signature, first docstring
    line): what stands on them is known to a reader of the outline, everything else is body.
    """

    kind: str  # class | function | method | constant, and what else a language has: struct, enum, macro, …
    name: str
    signature: str
    start_line: int
    end_line: int
    depth: int = 0
    decorators: tuple[str, ...] = ()
    doc: str = ""
    signature_lines: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Blueprint:
    """A repository and the truth about its shape, from which trajectories are simulated.

    ``order`` holds every included path once, dependencies first. ``header_lines`` are, for each file,
    the lines that no score counts: the leading comment or licence text, and imports.
    """

    repository: Repository
    languages: dict[str, str]
    dependencies: tuple[Dependency, ...]
    outlines: dict[str, tuple[Definition, ...]]
    header_lines: dict[str, frozenset[int]]
    order: tuple[str, ...]
    external: tuple[str, ...] = ()
    unresolved: tuple[tuple[str, str], ...] = field(default=())  # (path, what could not be resolved)
    unparsed: tuple[str, ...] = ()  # files without facts: too large or too slow to parse

    def dependencies_of(self, path: str) -> tuple[str, ...]:
        """Files that ``path`` needs directly, each once, in the order of ``order``."""
        return self._targets.get(path, ())

    @cached_property
    def _targets(self) -> dict[str, tuple[str, ...]]:
        place = {path: number for number, path in enumerate(self.order)}
        targets: dict[str, set[str]] = {}
        for edge in self.dependencies:
            targets.setdefault(edge.source, set()).add(edge.target)
        return {source: tuple(sorted(found, key=place.__getitem__)) for source, found in targets.items()}

    def outline_text(self, path: str) -> str:
        """The outline as an agent reads it: one signature a line, indented by nesting."""
        lines: list[str] = []
        for entry in self.outlines.get(path, ()):
            indent = "    " * entry.depth
            lines += [indent + decorator for decorator in entry.decorators]
            lines.append(indent + entry.signature)
            if entry.doc:
                lines.append(f'{indent}    """{entry.doc}"""')
        return "\n".join(lines)
