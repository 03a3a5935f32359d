"""What Ruby files load and use, resolved to the files of the repository.

A name is looked up on the load path of the file that asks for it, see :mod:`builder.structure.ruby.projects`;
what is not there is from outside. A constant leads to the one file that opens it, see
:mod:`builder.structure.ruby.constants`: Ruby has it when that file was loaded by anyone, and an autoloader
loads that file. Where several files open it and none has its name, there is no edge.
"""

from __future__ import annotations

import bisect
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from builder.repository import Repository
from builder.structure.languages import Facts, Found, Import, Links
from builder.structure.paths import normalised
from builder.structure.ruby.constants import Constants
from builder.structure.ruby.loads import PROJECT
from builder.structure.ruby.projects import Projects
from builder.structure.types import KINDS

_SUFFIXES = (".so", ".o", ".bundle", ".dll", ".jar")  # what is compiled
_MAX_STARS, _MAX_PATTERNS = 2, 200  # each pattern is tried on every path below its folder
_NAME = re.compile(r"[^./~\x00-\x1f]")  # what is looked up on the load path begins like this
_STAR = re.compile(r"\*\*/|\*\*?|\?|[^*?]+")


def link(facts: Mapping[str, Facts], repository: Repository) -> Links:
    """Resolve everything that ``facts`` ask for."""
    projects = Projects(facts, repository)
    loads = _Loads(projects, repository)
    found = Found()
    outside: dict[str, set[str]] = defaultdict(set)
    for path, known in facts.items():
        for wanted in known.imports:
            if wanted.kind not in KINDS or wanted.form == "constant":
                continue
            targets = loads.resolve(path, wanted)
            for loaded in targets:
                found.edge(path, loaded, wanted.kind)
            if not targets and wanted.form in ("require", "load") and _NAME.match(wanted.module):
                found.external.add(wanted.module)
                outside[projects.project_folder(path)].add(wanted.module)
            elif not targets:
                found.unresolved.add((path, wanted.module.removeprefix(PROJECT).lstrip("/")))
    constants = Constants(facts, projects, outside)
    for path, known in facts.items():
        for wanted in known.imports:
            if wanted.form == "constant":
                if target := constants.file(path, wanted.module, wanted.name):
                    found.edge(path, target, wanted.kind)
            elif wanted.kind == "defines" and projects.is_autoloaded(path):
                # To open a module loads the file that an autoloader has for it.
                opened = constants.file(path, wanted.module, "")
                if opened is not None and projects.is_autoloaded(opened):
                    found.edge(path, opened, "import")
    return found.links()


class _Loads:
    def __init__(self, projects: Projects, repository: Repository) -> None:
        self._projects = projects
        self._sorted = [file.path for file in repository.files]
        self._paths = frozenset(self._sorted)
        self._num_patterns = 0

    def resolve(self, path: str, wanted: Import) -> list[str]:
        """The files that one call loads; several for a pattern only."""
        if wanted.form == "dynamic" or not wanted.module:
            return []
        folder, name = path.rpartition("/")[0], wanted.module
        is_started_from = name.startswith((PROJECT, "./", "../")) and wanted.form in ("require", "load")
        if name.startswith(PROJECT) or is_started_from:
            folder = self._projects.project_folder(path)
        if wanted.form == "glob":
            return list(self._matching(folder, name.removeprefix(PROJECT)))
        if wanted.form in ("relative", "exact") or is_started_from:
            places = [normalised(folder, name.removeprefix(PROJECT))]
        elif name.startswith("/"):
            places = []
        else:
            places = [normalised(root, name) for root in self._projects.roots(path)]
            if wanted.form == "load":
                places.append(normalised(self._projects.project_folder(path), name))
        return self._first(places, wanted.form in ("load", "exact"))

    def _first(self, places: list[str | None], is_exact: bool) -> list[str]:
        for place in places:
            if not place or place.endswith(_SUFFIXES):
                continue
            target = place if is_exact or place.endswith(".rb") else f"{place}.rb"
            if target in self._paths:
                return [target]
        return []

    def _matching(self, folder: str, pattern: str) -> Iterator[str]:
        """The Ruby files that a pattern of `Dir` fits, which stand below the folder that it begins with."""
        fixed = re.split(r"[^/]*[*?\[{]", pattern, maxsplit=1)[0]
        rest = pattern[len(fixed) :]
        start = normalised(folder, fixed)
        self._num_patterns += 1
        is_simple = not set("[]{}\\") & set(rest) and len(re.findall(r"\*+", rest)) <= _MAX_STARS
        if start is None or not is_simple or self._num_patterns > _MAX_PATTERNS:
            return
        parts = {"**/": r"(?:[^/]+/)*", "*": "[^/]*", "**": "[^/]*", "?": "[^/]"}
        fits = re.compile("".join(parts.get(part, re.escape(part)) for part in _STAR.findall(rest)))
        prefix = f"{start}/" if start else ""
        first = bisect.bisect_left(self._sorted, prefix)
        for path in self._sorted[first:]:
            if not path.startswith(prefix):
                return
            if path.endswith(".rb") and fits.fullmatch(path, len(prefix)):
                yield path
