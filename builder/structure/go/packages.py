"""Go imports resolved to the files of the package that define what is used of it.

An import names a folder, see :mod:`builder.structure.go.modules`. The names that a file uses of it, and those
that it uses of its own package, lead to the files that define them at the top level; where several do, for
several systems, to each. Methods and fields belong to their type. A name that a function gives to something
of its own is no use of a package's: an edge may be missed by that, never made up.

An import whose uses lead nowhere (it is for its effects, or what defines them is generated and left out) goes
to the files with an ``init`` function, else to the file that is called like the package, else to the first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping

from builder.repository import Repository
from builder.structure.go.modules import Modules
from builder.structure.languages import Facts, Found, Import, Links

Definers = Mapping[str, frozenset[str]]  # of each name the files that define it


def link(facts: Mapping[str, Facts], repository: Repository) -> Links:
    """Resolve every import of ``facts`` and every use within a package."""
    modules = Modules(repository)
    packages = _Packages(facts)
    found = Found()
    for path, known in facts.items():
        own = packages.beside(path)
        unqualified = [wanted.name for wanted in known.imports if wanted.kind == "same-package"]
        for name in unqualified:
            for target in own.get(name, ()):
                if path not in own[name]:
                    found.edge(path, target, "same-package")
        for wanted in known.imports:
            if wanted.kind != "import":
                continue
            folder = modules.find(path, wanted.module)
            if folder is None or _is_vendored(folder):
                found.external.add(wanted.module)
            elif folder not in packages.importable:
                found.unresolved.add((path, wanted.module))
            else:
                for target in packages.targets(folder, wanted, known, unqualified):
                    found.edge(path, target, "import")
    return found.links()


def missing_names(
    path: str, facts: Mapping[str, Facts], repository: Repository, written: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Exported names that the file uses of packages of which every file is written, and that none defines."""
    modules, packages = Modules(repository), _Packages(facts)
    left_out = {file.path.rpartition("/")[0] for file in repository.skipped}
    for wanted in facts[path].imports:
        folder = modules.find(path, wanted.module) if wanted.kind == "import" else None
        if folder not in packages.importable or _is_vendored(folder) or folder in left_out:
            continue
        if _is_test(path) and folder == path.rpartition("/")[0]:
            continue  # the tests beside it may open up more of the package
        name, paths = packages.importable[folder]
        defined = packages.defined(folder)
        if not defined or not set(paths) <= set(written):
            continue
        for use in facts[path].imports:
            is_of_it = use.kind == "use" and use.module == (wanted.name or name)
            if is_of_it and use.name[:1].isupper() and use.name not in defined:
                yield folder, use.name


class _Packages:
    """What the packages of all folders define."""

    def __init__(self, facts: Mapping[str, Facts]) -> None:
        self._names = {path: _package(known) for path, known in facts.items()}
        files: dict[str, list[str]] = defaultdict(list)
        definers: dict[tuple[str, str, bool], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for path, known in sorted(facts.items()):
            folder = path.rpartition("/")[0]
            if not _is_test(path):
                files[folder].append(path)
            for entry in known.outline:
                if entry.depth == 0 and entry.kind != "method":
                    # Tests see all of their package, and the package nothing of its tests.
                    for sees_tests in (True,) if _is_test(path) else (True, False):
                        definers[folder, self._names[path], sees_tests][entry.name].add(path)
        self._definers = {
            place: {name: frozenset(paths) for name, paths in found.items()}
            for place, found in definers.items()
        }
        self.importable: dict[str, tuple[str, list[str]]] = {}
        for folder, paths in files.items():
            name = Counter(self._names[path] for path in paths).most_common(1)[0][0]
            self.importable[folder] = name, [path for path in paths if self._names[path] == name]

    def beside(self, path: str) -> Definers:
        """What the package of the file at ``path`` defines, as that file sees it."""
        return self._definers.get((path.rpartition("/")[0], self._names[path], _is_test(path)), {})

    def defined(self, folder: str) -> Definers:
        """What the package in ``folder`` defines, as others see it."""
        return self._definers.get((folder, self.importable[folder][0], False), {})

    def targets(self, folder: str, wanted: Import, known: Facts, unqualified: list[str]) -> Iterator[str]:
        """The files of the package in ``folder`` that one import leads to."""
        name, paths = self.importable[folder]
        defined = self.defined(folder)
        qualifier = wanted.name or name
        used = [use.name for use in known.imports if use.kind == "use" and use.module == qualifier]
        found = {path for use in (unqualified if qualifier == "." else used) for path in defined.get(use, ())}
        if not found:
            found = set(defined.get("init", ()))
        face = [path for path in paths if path.rpartition("/")[2] == f"{name}.go"]
        yield from sorted(found) or face or paths[:1]


def _package(known: Facts) -> str:
    return next((wanted.name for wanted in known.imports if wanted.kind == "package"), "")


def _is_test(path: str) -> bool:
    return path.endswith("_test.go")


def _is_vendored(folder: str) -> bool:
    return "vendor" in folder.split("/")
