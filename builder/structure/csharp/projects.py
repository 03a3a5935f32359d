"""Which files a C# project compiles and which other projects it sees, as its ``.csproj`` has them written.

A project in the SDK's style compiles what lies below its folder, less the folders of others within it; any
project what it includes, and what a shared project that it imports includes. ``Directory.Build`` files around
it count as its own text. Conditions are not read: what is included under one counts, what is removed
under one does not. Files of no project see everything: of several types with one name the one in their own
folder, else none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from builder.repository import Repository
from builder.structure.csharp.facts import Using
from builder.structure.csharp.msbuild import Document, Files, evaluated
from builder.structure.paths import parents

LOOSE = "/"  # at the end of a folder that stands for the project of its files that belong to none


class Projects:
    """The C# projects of a repository by their paths."""

    def __init__(self, repository: Repository, sources: Iterable[str]) -> None:
        contents = {
            file.path: file.content
            for file in repository.files
            if file.path.endswith((".csproj", ".props", ".targets", ".projitems"))
        }
        self._projects = {
            path: evaluated(path, contents) for path in sorted(contents) if path.endswith(".csproj")
        }
        self._of: dict[str, set[str]] = defaultdict(set)
        self._seen: dict[str, frozenset[str]] = {}
        files = Files(sources)
        self._by_default(files)
        for path, project in self._projects.items():
            for pattern in project.included:
                for found in files.fitting(pattern):
                    self._of[found].add(path)

    def __bool__(self) -> bool:
        return bool(self._projects)

    def of(self, path: str) -> frozenset[str]:
        """The projects that compile a file."""
        return frozenset(self._of.get(path) or (path.rpartition("/")[0] + LOOSE,))

    def seen_by(self, project: str) -> frozenset[str]:
        """The projects that one references, directly or through others."""
        if project not in self._seen:
            seen: set[str] = set()
            waiting = [project]
            while waiting:
                new = self._projects[waiting.pop()].references & self._projects.keys() - seen
                seen |= new
                waiting += new
            self._seen[project] = frozenset(seen - {project})
        return self._seen[project]

    def usings(self, project: str) -> Iterator[Using]:
        """The global usings in a project's file."""
        yield from self._projects[project].usings if project in self._projects else ()

    def names(self, project: str) -> frozenset[str]:
        """What a project's assembly may be called."""
        return self._projects[project].names if project in self._projects else frozenset()

    def friends(self, project: str) -> frozenset[str]:
        """The assemblies that a project's file lets see what is internal to it."""
        return self._projects[project].friends if project in self._projects else frozenset()

    def _by_default(self, files: Files) -> None:
        in_folder: dict[str, list[str]] = defaultdict(list)
        for path in self._projects:
            in_folder[path.rpartition("/")[0]].append(path)
        removed = {path: _fitting(project, files) for path, project in self._projects.items()}
        homes: dict[str, str | None] = {}
        for file in files.paths:
            folder = file.rpartition("/")[0]
            if folder not in homes:
                homes[folder] = next((home for home in parents(file) if home in in_folder), None)
            home = homes[folder]
            for path in in_folder[home] if home is not None else ():
                if self._projects[path].takes_all and file not in removed[path]:
                    self._of[file].add(path)


def _fitting(project: Document, files: Files) -> set[str]:
    return {path for pattern in project.removed for path in files.fitting(pattern)}
