"""Which file a constant comes from: by Ruby's lexical scopes, then by the names that files have."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from builder.structure.languages import Facts
from builder.structure.ruby.names import CORE, FORMS, KNOWN
from builder.structure.ruby.projects import Projects

_MAX_ANCESTORS = 30
_TESTS = ("_test.rb", "_spec.rb")  # which do not load one another
_MAX_PARTS = 10  # of a name whose modules are looked for
Area = dict[str, str]  # the files that open a constant, and what each says of it


class Constants:
    """All constants that the files of a repository open, and who sees them."""

    def __init__(
        self, facts: Mapping[str, Facts], projects: Projects, outside: Mapping[str, Collection[str]]
    ) -> None:
        """``outside`` are the names that the files of each project load from elsewhere."""
        self._projects = projects
        self._openers: dict[str, dict[str, Area]] = defaultdict(lambda: defaultdict(dict))
        self._ancestors: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._keys: dict[str, frozenset[str]] = {}
        self._named: dict[str, set[str]] = defaultdict(set)  # where a file has the name of a constant
        self._owners: dict[tuple[frozenset[str], str, str, bool], tuple[str | None, Area]] = {}
        self._resolved: dict[tuple[frozenset[str], str, str], tuple[str, bool] | None] = {}
        self._above: dict[tuple[frozenset[str], str], tuple[str, ...]] = {}
        self._loaded = outside
        self._outside: dict[str, frozenset[str]] = {}
        for path, known in facts.items():
            folder = path.rpartition("/")[0]
            area = projects.area(folder)
            for wanted in known.imports:
                if wanted.kind == "ancestor":
                    self._ancestors[wanted.form].append((wanted.module, wanted.name))
                elif wanted.kind == "defines" and path.endswith(".rb"):  # others are scripts and stubs
                    files = self._openers[wanted.module][area]
                    files[path] = min(files.get(path, wanted.form), wanted.form, key=FORMS.index)
                    if path not in self._keys:
                        self._keys[path] = frozenset(_path_keys(path, projects.named_roots(folder)))
                    if wanted.module not in CORE and _key(wanted.module) in self._keys[path]:
                        self._named[wanted.module].add(area)
        self._places: dict[str, set[str]] = {name: set(areas) for name, areas in self._openers.items()}
        for name, areas in self._openers.items():
            for module in self._implied(name):
                self._places.setdefault(module, set()).update(areas)

    def file(self, path: str, written: str, nesting: str) -> str | None:
        """The file that opens what ``written`` means in ``path``, within the modules of ``nesting``."""
        folder = path.rpartition("/")[0]
        visible = self._projects.visible(folder)
        place = visible, written, nesting
        if place not in self._resolved:
            self._resolved[place] = self._resolve(visible, written, nesting)
        found = self._resolved[place]
        if found is None or found[0] in CORE:
            return None
        owned = visible, self._projects.of(folder).folder, *found
        if owned not in self._owners:
            self._owners[owned] = self._owner(folder, visible, *found)
        owner, files = self._owners[owned]
        # Who opens a constant again may mean what it adds itself.
        return owner if owner != path and files.get(path) not in FORMS[:2] else None

    def _is_known(self, name: str, visible: frozenset[str]) -> bool:
        areas = self._places.get(name)
        return areas is not None and not visible.isdisjoint(areas)

    def _implied(self, name: str) -> Iterator[str]:
        """The modules that must be there for `class A::B::C`, though none of the files opens them.

        Within `module A` it opens A::B::C, unless B is a module outside of A.
        """
        parts = name.split("::")
        for end in range(1, min(len(parts), _MAX_PARTS)):
            inner = ("::".join(parts[start:end]) for start in range(end))
            if not any(module in self._openers for module in inner):
                yield "::".join(parts[:end])

    def _resolve(
        self, visible: frozenset[str], written: str, nesting: str, is_ancestor: bool = False
    ) -> tuple[str, bool] | None:
        """The full name of what is meant, and whether all of it was found."""
        head, *rest = written.removeprefix("::").split("::")
        scopes = nesting.split(" ") if nesting and not written.startswith("::") else []
        lexical = (f"{scope}::{head}" for scope in scopes)
        full = next((name for name in lexical if self._is_known(name, visible)), None)
        if full is None and scopes and not is_ancestor:
            inherited = (f"{ancestor}::{head}" for ancestor in self._inherited(visible, scopes[0]))
            full = next((name for name in inherited if self._is_known(name, visible)), None)
        if full is None and self._is_known(head, visible):
            full = head
        return self._within(visible, full, rest) if full is not None else None

    def _within(self, visible: frozenset[str], full: str, rest: Iterable[str]) -> tuple[str, bool]:
        for part in rest:
            if not self._is_known(f"{full}::{part}", visible):
                return full, False
            full = f"{full}::{part}"
        return full, True

    def _inherited(self, visible: frozenset[str], name: str) -> tuple[str, ...]:
        """The classes and modules that ``name`` inherits constants from, as far as they are here."""
        if (visible, name) in self._above:
            return self._above[visible, name]
        found: dict[str, None] = {}
        queue = [name]
        for each in queue:
            for written, nesting in self._ancestors.get(each, ()):
                above = self._resolve(visible, written, nesting, is_ancestor=True)
                if above and above[1] and above[0] not in found and len(found) < _MAX_ANCESTORS:
                    found[above[0]] = None
                    queue.append(above[0])
        self._above[visible, name] = tuple(found)
        return tuple(found)

    def _owner(
        self, folder: str, visible: frozenset[str], full: str, is_whole: bool
    ) -> tuple[str | None, Area]:
        """The one file that opens a constant, if there is one, and all those that do."""
        areas = self._openers.get(full, {})
        must_be_made = self._is_outside(folder, full) and not self._is_own(full, visible)
        # What a library opens comes before what tests and other folders of their own open again.
        for is_library in (True, False):
            files: Area = {}
            for area in visible & areas.keys():
                if area.endswith("/") == is_library:
                    files |= areas[area]
            if not is_whole and len(files) > 1:
                return None, files  # those outside may open it too, and define what was not found
            others = {file: form for file, form in files.items() if is_library or not file.endswith(_TESTS)}
            named = [file for file in others if _key(full) in self._keys[file]]
            with_body = [file for file, form in others.items() if form in FORMS[:2]]
            with_constants = [file for file, form in others.items() if form == "constants"]
            if must_be_made:
                named, with_constants = [], []
                is_made = all(files[file] == "made" for file in with_body)
                with_body = with_body if is_made and is_library and full not in KNOWN else []
            if found := named or with_body or with_constants:
                return found[0] if len(found) == 1 else None, files
        return None, {}

    def _is_outside(self, folder: str, full: str) -> bool:
        """Whether the outermost module of a name is somebody else's, as far as names can tell."""
        head = full.partition("::")[0]
        if head in KNOWN:
            return True
        project = self._projects.of(folder).folder
        if project not in self._outside:
            names = {*self._projects.outside(folder), *self._loaded.get(project, ())}
            words = {part for name in names for part in (name.replace("-", ""), re.split("[/-]", name)[0])}
            self._outside[project] = frozenset(map(_key, words))
        return _key(head) in self._outside[project]

    def _is_own(self, full: str, visible: frozenset[str]) -> bool:
        """Whether a file has the path that a constant's name, or that of a module around it, has."""
        parts = full.split("::")
        names = ("::".join(parts[:end]) for end in range(1, len(parts) + 1))
        return any(not visible.isdisjoint(self._named[name]) for name in names if name in self._named)


def _key(name: str) -> str:
    """What a constant's name and its path have in common, whatever is an acronym."""
    return name.replace("::", "/").replace("_", "").lower()


def _path_keys(path: str, roots: Iterable[str]) -> Iterable[str]:
    for root in roots:
        if not root or path.startswith(f"{root}/"):
            yield path[len(root) :].lstrip("/").removesuffix(".rb").replace("_", "")  # never in capitals
