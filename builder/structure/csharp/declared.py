"""The types, namespaces and extension methods that the C# files of a repository declare, by project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from builder.structure.csharp.facts import LOST, Scope, Source, Using
from builder.structure.csharp.projects import Projects


class Part(NamedTuple):
    """A type's declaration, or one of its declarations if it is partial."""

    full: str
    path: str
    scope: int
    projects: frozenset[str]
    declared: Scope
    is_public: bool
    namespace: str


class Declared:
    """All that is declared, by full name: of a type nested in another it begins with the outer one's."""

    def __init__(self, sources: Mapping[str, Source], projects: Projects) -> None:
        self.projects = projects
        self.sources = sources
        self.parts: dict[str, list[Part]] = defaultdict(list)
        self.holders: dict[str, set[str]] = defaultdict(set)  # of a simple name the full names around it
        self.namespaces: dict[str, set[str]] = {"": set()}  # and the projects that declare them
        self.inhabited: set[str] = set()  # namespaces that hold types themselves
        self.extensions: dict[str, list[Part]] = defaultdict(list)  # by method
        self.instance: dict[str, set[str]] = defaultdict(set)  # projects with such a member of an instance
        self.globals: dict[str, dict[Using, None]] = defaultdict(dict)  # by project
        self.friends: dict[str, set[str]] = defaultdict(set)
        self.depth = 0  # of bases that are looked up in order to know a base
        self.full: dict[str, list[str]] = {}  # of each file the full names of its scopes
        for path, source in sorted(sources.items()):
            self._add(path, source)
        self.everything = frozenset(project for path in sources for project in projects.of(path))
        for project in self.everything:
            self.globals[project].update(dict.fromkeys(projects.usings(project)))
            self.friends[project].update(projects.friends(project))

    def _add(self, path: str, source: Source) -> None:
        projects = self.projects.of(path)
        full: list[str] = []
        spaces: list[str] = []
        for index, scope in enumerate(source.scopes):
            around = full[scope.parent] if scope.parent >= 0 else ""
            name = dotted(around, scope.name)
            full.append(name)
            if scope.kind in ("file", "namespace"):
                spaces.append(name)
                self._add_namespace(name, projects)
                continue
            spaces.append(spaces[scope.parent])
            if scope.kind == LOST or not scope.name:
                continue
            outer = source.scopes[scope.parent]
            is_public = "public" in scope.modifiers or outer.kind == "interface"
            if outer.kind not in ("file", "namespace"):
                is_public = is_public or "protected" in scope.modifiers
            part = Part(name, path, index, projects, scope, is_public, spaces[-1])
            self.parts[name].append(part)
            self.holders[scope.name].add(around)
            if outer.kind in ("file", "namespace"):
                self.inhabited.add(around)
            for member in scope.members:
                if member.is_extension:
                    self.extensions[member.name].append(part)
                elif not member.is_static:
                    self.instance[member.name].update(projects)
        self.full[path] = full
        for using in source.scopes[0].usings:
            if using.is_global:
                for project in projects:
                    self.globals[project][using] = None
        for project in projects:
            self.friends[project].update(source.friends)

    def _add_namespace(self, name: str, projects: frozenset[str]) -> None:
        while name:
            self.namespaces.setdefault(name, set()).update(projects)
            name = name.rpartition(".")[0]


def dotted(around: str, name: str) -> str:
    """``name`` in a namespace or type."""
    return f"{around}.{name}" if around and name else around or name
