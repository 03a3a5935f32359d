"""The gems and applications of a repository: their load paths, and which of them a file sees."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from builder.repository import Repository
from builder.structure.languages import Facts
from builder.structure.paths import join, normalised, parents
from builder.structure.ruby.loads import HERE, PROJECT

_QUOTED = r"(?:[\"']([^\"'\n]+)[\"']|%q?[<\[({]([^>\])}\n]+)[>\])}])"
_NAME = re.compile(rf"\.name\s*=\s*{_QUOTED}")
_NEEDED = re.compile(r"\.add_(?:runtime_|development_)?dependency[\s(]+[\"']([\w.-]+)[\"']")
_REQUIRE_PATHS = re.compile(
    r"\.require_paths?\s*=\s*(?:\[([^\]]{0,500})\]|%w[\[({]([^\])}]{0,500})[\])}]|([\"'][^\"']*[\"']))"
)
_GEM = re.compile(r"^[ \t]*gem[\s(]+[\"']([\w.-]+)[\"']([^#\n]*(?:,\s*\n[^#\n]*)*)", re.MULTILINE)
_BY_PATH = re.compile(r"(?:\bpath:|:path\s*=>)\s*[\"']")
_PATH_BLOCK = re.compile(
    r"^[ \t]*path[\s(]+[\"'][^\"'\n]*[\"']\)?\s+do\b(.{0,4000}?)^[ \t]*end\b", re.MULTILINE | re.DOTALL
)
_MAX_READ = 100_000  # characters of a gemspec or Gemfile
_APPLICATION = "config/application.rb"
TESTS = {"test", "tests", "spec", "specs"}
# Folders that a library's own files know nothing of.
_LEAVES = TESTS | {
    "features", "bin", "exe", "script", "scripts", "example", "examples", "sample", "samples", "benchmark",
    "benchmarks", "bench", "perf", "db", "doc", "docs", "guides", "tools", "website",
}  # fmt: skip
_TEMPLATES = {"templates", "fixtures"}  # which even a library's folder may hold


@dataclass
class Project:
    """A folder with a gem's specification, a Gemfile or an application. ``""`` is the repository's root."""

    folder: str
    names: set[str] = field(default_factory=set)  # of the gems that are built from it
    roots: list[str] = field(default_factory=list)  # its part of the load path
    autoloaded: list[str] = field(default_factory=list)  # where Rails has constants by their names
    needs: set[str] = field(default_factory=set)  # gems that it declares and that may be here
    installs: set[str] = field(default_factory=set)  # those that its Gemfile has without a path
    is_gem: bool = False
    has_gemfile: bool = False
    is_rails: bool = False


class Projects:
    """The projects of a repository, and what its files see of them."""

    def __init__(self, facts: Mapping[str, Facts], repository: Repository) -> None:
        self._projects: dict[str, Project] = {"": Project("")}
        self.folders = {folder for file in repository.files for folder in parents(file.path)}
        self._inside: dict[str, list[str]] = defaultdict(list)
        for folder in sorted(self.folders - {""}):
            self._inside[folder.rpartition("/")[0]].append(folder)
        for file in repository.files:
            self._read(file.path, file.content[:_MAX_READ])
        for project in self._projects.values():
            self._complete(project)
        gems: dict[str, list[Project]] = defaultdict(list)
        for project in self._projects.values():
            for name in project.names:
                gems[name].append(project)
        # Of two with one name nobody can tell which is meant.
        self._gems = {name: found[0] for name, found in gems.items() if len(found) == 1}
        self._added: dict[str, list[str]] = {}
        self._shared: dict[str, list[str]] = defaultdict(list)
        for path, known in facts.items():
            self._note(path, known)

    @functools.cache  # noqa: B019 - one of these lives for one call of `link`
    def of(self, folder: str) -> Project:
        """The project that the files in ``folder`` belong to."""
        nearest = next((place for place in (folder, *parents(folder)) if place in self._projects), "")
        return self._projects[nearest]

    @functools.cache  # noqa: B019
    def _around(self, folder: str) -> tuple[Project, ...]:
        """The project in ``folder``, those around it whose Gemfile it shares, the gems that they declare."""
        project = self._projects[folder]
        found = {project.folder: project}
        while project.folder and not (project.is_gem or project.has_gemfile):
            project = self.of(project.folder.rpartition("/")[0])
            found[project.folder] = project
        needs = set().union(*(each.needs for each in found.values()))
        for place in (project.folder, *parents(project.folder)):
            if place in self._projects and self._projects[place].has_gemfile:
                needs |= self._projects[place].needs
                break
        queue = sorted(needs)
        for name in queue:  # grows while it is gone through
            gem = self._gems.get(name)
            if gem is not None and gem.folder not in found:
                found[gem.folder] = gem
                queue += sorted(gem.needs)
        return tuple(found.values())

    def roots(self, path: str) -> Iterator[str]:
        """The load path that the file at ``path`` sees, first match first."""
        folder = path.rpartition("/")[0]
        yield from self._added.get(path, ())
        yield from self._of_folder(folder)

    @functools.cache  # noqa: B019
    def _of_folder(self, folder: str) -> tuple[str, ...]:
        found: list[str] = []
        area = self.area(folder)
        if area.rpartition("/")[2] in TESTS:
            found.append(area)
        first, *others = self._around(self.of(folder).folder)
        found += first.roots
        for place in (area, first.folder + "/", folder, *parents(folder)):
            found += self._shared.get(place, ())
        for project in others:
            found += project.roots
        return tuple(dict.fromkeys(found))

    @functools.cache  # noqa: B019
    def area(self, folder: str) -> str:
        """Where constants of ``folder`` count: in a project (ends in ``/``), or in a folder of their own."""
        project = self.of(folder)
        parts = folder[len(project.folder) :].strip("/").split("/")
        place, in_library = project.folder, False
        for part in parts:
            place = join(place, part)
            in_library = in_library or place in project.roots or part == "app"
            if part in _TEMPLATES or (part in _LEAVES and not in_library):
                return place
        if project.is_gem and not in_library:
            return join(project.folder, parts[0]) + "/."
        return project.folder + "/"

    def visible(self, folder: str) -> frozenset[str]:
        """The areas that files in ``folder`` see constants of."""
        return self._visible(self.area(folder), self.of(folder).folder)

    @functools.cache  # noqa: B019
    def _visible(self, own: str, folder: str) -> frozenset[str]:
        found = {own, *(project.folder + "/" for project in self._around(folder))}
        if own.rpartition("/")[2] in TESTS:
            found |= {f"{own}/{name}/" for name in ("dummy", "internal") if f"{own}/{name}" in self._projects}
        return frozenset(found)

    def named_roots(self, folder: str) -> Iterator[str]:
        """The folders from which a file in ``folder`` may have the path that a constant's name has."""
        project = self.of(folder)
        area = self.area(folder)
        yield from project.roots
        yield from project.autoloaded
        if area.rpartition("/")[2] in TESTS:
            yield area
        if not project.is_gem:
            yield project.folder

    def is_autoloaded(self, path: str) -> bool:
        """Whether the file at ``path`` is one that Rails loads when its constant is asked for."""
        return any(path.startswith(f"{root}/") for root in self.of(path.rpartition("/")[0]).autoloaded)

    def project_folder(self, path: str) -> str:
        """Where a process that runs the file at ``path`` is likely started: the folder of its project."""
        return self.of(path.rpartition("/")[0]).folder

    def outside(self, folder: str) -> frozenset[str]:
        """Gems that files in ``folder`` get from elsewhere."""
        projects = self._around(self.of(folder).folder)
        named = frozenset().union(*(project.needs | project.installs for project in projects))
        return named - self._gems.keys()

    def _read(self, path: str, content: str) -> None:
        folder, _, name = path.rpartition("/")
        if name.endswith(".gemspec"):
            project = self._project(folder)
            project.is_gem = True
            match = _NAME.search(content)
            project.names.add((match and (match[1] or match[2])) or name.removesuffix(".gemspec"))
            project.needs.update(_NEEDED.findall(content))
            for groups in _REQUIRE_PATHS.findall(content):
                words = " ".join(groups).replace(",", " ").split()
                project.roots += [place for word in words if (place := normalised(folder, word.strip("\"'")))]
        elif name in ("Gemfile", "gems.rb"):
            project = self._project(folder)
            project.has_gemfile = True
            blocks = " ".join(_PATH_BLOCK.findall(content))
            by_path = {gem for gem, rest in _GEM.findall(content) if _BY_PATH.search(rest)}
            project.needs |= by_path | {gem for gem, _ in _GEM.findall(blocks)}
            project.installs |= {gem for gem, _ in _GEM.findall(content)} - project.needs
        elif path.endswith(_APPLICATION) and path.removesuffix(_APPLICATION)[-1:] in ("", "/"):
            self._project(path.removesuffix(_APPLICATION).rstrip("/")).is_rails = True

    def _project(self, folder: str) -> Project:
        return self._projects.setdefault(folder, Project(folder))

    def _complete(self, project: Project) -> None:
        """Add the folders that are on the load path by convention."""
        app = join(project.folder, "app")
        if app in self.folders:
            inside = self._inside[app]
            concerns = [place for folder in inside if (place := join(folder, "concerns")) in self.folders]
            project.autoloaded = [*inside, *concerns]
        usual = [join(project.folder, name) for name in ("lib", "ext")]
        known = [*project.roots, *usual, *(project.autoloaded if project.is_rails else ())]
        project.roots = list(dict.fromkeys(place for place in known if place in self.folders))

    def _note(self, path: str, known: Facts) -> None:
        """Remember what a file adds to the load path: for itself, and for files that are loaded with it."""
        folder = path.rpartition("/")[0]
        for wanted in known.imports:
            if wanted.kind != "root" or wanted.module[:1] not in (HERE, PROJECT):
                continue
            base = join(folder, "") if wanted.module[0] == HERE else self.of(folder).folder
            # `__FILE__` is a part of the path that `..` takes away.
            added = normalised(base, wanted.module[1:])
            if added is None or (added not in self.folders and added):
                continue
            self._added.setdefault(path, []).append(added)
            area = self.area(folder)
            if area.rpartition("/")[2] in TESTS or area == self.of(folder).folder + "/":
                self._shared[area].append(added)
            if added not in self._projects:
                self._shared[added].append(added)
