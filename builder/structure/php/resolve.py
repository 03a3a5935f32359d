"""PHP names and paths resolved to files.

A class is in the file in which composer finds it, see :mod:`builder.structure.php.composer`, if that declares
it. Functions and constants are visible from the files that composer always loads, and from what these
include. Anything else is known to the files of one program, which their includes join; where no composer.json
has rules, to all such files. It counts where exactly one of them declares it, or exactly one of those that a
script loads together with the file.

PHP's own classes are external by their name, and its functions and constants are not recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from builder.repository import Repository
from builder.structure.languages import Facts, Found, Import, Links
from builder.structure.php.builtin import is_builtin
from builder.structure.php.composer import Packages, Scope
from builder.structure.php.includes import Includes, Target
from builder.structure.php.programs import Programs

_MAX_NAMESPACE = 500  # characters
_NOWHERE = "\0nowhere"  # the program of the files that no composer.json tells of


def link(facts: Mapping[str, Facts], repository: Repository) -> Links:
    """Resolve every include and every name of ``facts``."""
    found = Found()
    targets = _included(facts, Includes(facts, repository), found)
    names = _Names(facts, repository, targets)
    for path, known in facts.items():
        scope = names.packages.scope(path)
        for wanted in known.imports:
            if wanted.kind != "declare" and wanted.form != "include":
                _name(path, wanted, scope, names, found)
    return found.links()


def _included(facts: Mapping[str, Facts], includes: Includes, found: Found) -> dict[str, set[str]]:
    """The files that each file includes."""
    targets: dict[str, set[str]] = defaultdict(set)
    inside: list[tuple[str, Import, str]] = []
    for path, known in facts.items():
        for wanted in known.imports:
            if wanted.form != "include":
                continue
            target, answer = includes.find(path, wanted)
            if answer is Target.INSIDE:
                inside.append((path, wanted, target))
                targets[path].add(target)
            elif answer is Target.OUTSIDE:
                found.external.add(target)
            else:
                found.unresolved.add((path, wanted.module))
    programs = Programs(targets)
    sure: dict[str, set[str]] = defaultdict(set)
    for path, wanted, target in inside:
        if includes.is_sure(path, wanted, programs):
            found.edge(path, target, wanted.kind)
            sure[path].add(target)
        else:
            found.unresolved.add((path, wanted.module))
    return sure


def _name(path: str, wanted: Import, scope: Scope | None, names: _Names, found: Found) -> None:
    target = names.find(path, scope, wanted.form, wanted.module)
    kind = wanted.kind
    if target is None and wanted.name:
        target, kind = names.find(path, scope, wanted.form, wanted.name), "import"
    if target:
        found.edge(path, target, kind)
    elif wanted.form == "use" and wanted.module.lower() in names.namespaces:
        pass  # an alias of a namespace
    elif target == "":
        found.unresolved.add((path, wanted.module))
    elif wanted.form in ("class", "use") or wanted.kind == "import":
        space = wanted.module.split("\\")[:-1]
        if wanted.form in ("class", "use") or space:
            found.external.add("\\".join(space[:2]) or wanted.module)


class _Names:
    """What all files declare, and who sees it."""

    def __init__(
        self, facts: Mapping[str, Facts], repository: Repository, targets: Mapping[str, set[str]]
    ) -> None:
        self._declared: dict[str, frozenset[tuple[str, str]]] = {}
        for path, known in facts.items():
            own = [wanted for wanted in known.imports if wanted.kind == "declare"]
            self._declared[path] = frozenset((one.form, _key(one.form, one.module)) for one in own)
        self.namespaces = {
            name[:end]
            for declared in self._declared.values()
            for _, name in declared
            for end in range(min(len(name), _MAX_NAMESPACE))
            if name[end] == "\\"
        }
        classes = {
            path: frozenset(name for form, name in declared if form == "class")
            for path, declared in self._declared.items()
        }
        self.packages = Packages(repository, classes)
        self._loaded = self._always_loaded(targets)
        self._programs = Programs(targets)
        self._in_program: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for path, declared in self._declared.items():
            if self.packages.scope(path) is None:
                for form, name in declared:
                    self._in_program[_NOWHERE, form, name].add(path)
            if program := self._programs.of(path):
                for form, name in declared:
                    self._in_program[program, form, name].add(path)

    def find(self, path: str, scope: Scope | None, form: str, name: str) -> str | None:
        """The file that declares a name; ``""`` if that cannot be told, ``None`` from outside."""
        form = "class" if form == "use" else form
        declared = (form, _key(form, name))
        # `f::class` may tell the full name of a function too.
        if declared in self._declared[path] or ("function", declared[1]) in self._declared[path]:
            return path
        if "\\" not in name and is_builtin(form, name):
            return None
        is_missing = False
        if scope is not None:
            if form == "class":
                target = self.packages.find(scope, name)
                if target:
                    return target
                is_missing = target == ""
            for paths in scope.pick(self._loaded.get(declared, {})):
                return _only(paths)
        for program in (self._programs.of(path), _NOWHERE if scope is None else None):
            if program is not None and (paths := self._in_program.get((program, *declared))):
                return _only(paths) or _only(self._programs.loaded_with(path, paths))
        return "" if is_missing else None

    def _always_loaded(self, targets: Mapping[str, set[str]]) -> dict[tuple[str, str], dict[str, set[str]]]:
        """Of each name the files that declare it and are loaded with a package."""
        loaded: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        seen: dict[str, set[str]] = defaultdict(set)
        stack = list(self.packages.files())
        while stack:
            package, path = stack.pop()
            if path in seen[package]:
                continue
            seen[package].add(path)
            for declared in self._declared.get(path, ()):
                loaded[declared][package].add(path)
            stack += [(package, target) for target in targets.get(path, ())]
        return loaded


def _only(paths: Iterable[str]) -> str:
    found = list(paths)
    return found[0] if len(found) == 1 else ""


def _key(form: str, name: str) -> str:
    """Names of constants tell upper and lower case apart; those of namespaces never do."""
    if form != "constant":
        return name.lower()
    space, separator, short = name.rpartition("\\")
    return space.lower() + separator + short
