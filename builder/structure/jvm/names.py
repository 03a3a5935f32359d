"""What the files of a repository declare, and which declaration a name means in a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from builder.repository import Repository
from builder.structure.jvm.roots import Modules, Place
from builder.structure.jvm.scope import Scope
from builder.structure.languages import Facts, Import

Type = tuple[str, str]  # a file and a type's path in it
_MAX_DEPTH = 30  # supertypes that must be known for the one of another to be
_MAX_LINEAGE = 200  # types that one inherits from, past which no more are looked for


@dataclass
class Unit:
    """What one file says, sorted by what it says."""

    package: str
    place: Place
    types: set[str] = field(default_factory=set)
    supertypes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    imports: list[Import] = field(default_factory=list)
    uses: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    values: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    members: set[tuple[str, str]] = field(default_factory=set)  # a type and what Kotlin calls a member of it
    called: list[str] = field(default_factory=list)
    asked: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


class Names:
    """The declarations of all files."""

    def __init__(self, facts: Mapping[str, Facts], repository: Repository) -> None:
        self.modules = Modules(repository)
        self.units: dict[str, Unit] = {}
        self.packages: set[str] = set()
        self.members: set[str] = set()  # of any type of Kotlin
        self.receivers: dict[tuple[str, str], set[str]] = defaultdict(set)  # of the extensions in a file
        self._depth = 0
        self._lineages: dict[Type, tuple[Type, ...]] = {}
        self._expected: set[tuple[str, str]] = set()
        self._types: dict[str, list[str]] = defaultdict(list)
        self._callables: dict[str, list[str]] = defaultdict(list)
        for path, known in facts.items():
            package = next((entry.module for entry in known.imports if entry.kind == "package"), "")
            self.units[path] = Unit(package, self.modules.place(path, package))
            self._read(path, known)
            self.packages.add(package)
        self._scopes = {path: Scope(self, path, unit) for path, unit in self.units.items()}

    def _read(self, path: str, known: Facts) -> None:
        unit = self.units[path]
        private = set()
        callables = set()
        facade = _facade(path)
        for entry in known.imports:
            if entry.form == "expect":
                self._expected.add((path, f"{unit.package}.{entry.module}"))
            if entry.kind == "type":
                unit.types.add(entry.module)
                if entry.form == "private":
                    private.add(entry.module)
            elif entry.kind == "extends":
                unit.supertypes[entry.module].append(entry.name)
            elif entry.kind == "use":
                unit.uses[entry.module].append(entry.name)
            elif entry.kind == "value":
                unit.values[entry.module].append(entry.name)
            elif entry.kind == "asked":
                unit.asked[entry.module].append(entry.name)
            elif entry.kind == "import":
                unit.imports.append(entry)
            elif entry.kind == "called":
                unit.called.append(entry.module)
            elif entry.kind == "member":
                unit.members.add((entry.module, entry.name))
                self.members.add(entry.name)
            elif entry.kind == "facade":
                facade = entry.module
            elif entry.kind == "callable" and entry.form != "private":
                callables.add(entry.module)
                if entry.name:
                    self.receivers[path, entry.module].add(entry.name.rpartition(".")[2])
        if callables:
            unit.types.add(facade)
        for name in unit.types - private:
            self._types[f"{unit.package}.{name}"].append(path)
        for name in callables:
            self._callables[f"{unit.package}.{name}"].append(path)

    def scope(self, path: str) -> Scope:
        """How names are understood in the file at ``path``."""
        return self._scopes[path]

    def callables(self, path: str, name: str, far: bool = True) -> list[str]:
        """The files with functions or properties of the qualified ``name`` that the file at ``path`` sees."""
        return self._nearest(path, name, self._callables.get(name, ()), far)

    def _nearest(self, path: str, name: str, declared: Collection[str], far: bool) -> list[str]:
        """Of the files that declare ``name`` those nearest to the one at ``path``.

        Its own source root comes first, then its module, then the modules that it depends on, and others
        only where ``far``. Only tests see tests. Of several in a module of Kotlin's multiplatform projects
        those for the own platform come first, then what is expected of all.
        """
        if path in declared:
            return [path]
        here = self.units[path].place
        places = {other: self.units[other].place for other in declared}
        seen = [other for other, place in places.items() if here.sees(place)]
        nearest = [other for other in seen if places[other].root == here.root]
        nearest = nearest or [other for other in seen if places[other].module == here.module]
        if not nearest and seen:
            needed = self.modules.needed(here)
            nearest = [other for other in seen if places[other].module in needed]
            nearest = nearest or (seen if far else [])
        nearest = [other for other in nearest if not places[other].is_test] or nearest
        if len(nearest) > 1:
            own = [other for other in nearest if here.platform and places[other].platform == here.platform]
            nearest = own or [other for other in nearest if (other, name) in self._expected] or nearest
        return nearest

    def type(self, path: str, name: str, far: bool = True) -> Type | None:
        """The type with the qualified ``name`` that a file sees; ``None`` where it is ambiguous."""
        found = self._nearest(path, name, self._types.get(name, ()), far)
        if len(found) != 1:
            return None
        return found[0], name[len(self.units[found[0]].package) + 1 :]

    def has_member(self, owner: Type, name: str) -> bool:
        """Whether a type or one that it inherits from has a function or property of Kotlin's."""
        return any((inside, name) in self.units[path].members for path, inside in self.lineage(owner))

    def member(self, owner: Type, name: str) -> Type | None:
        """The type called ``name`` in ``owner`` or in what it inherits from."""
        for path, inside in self.lineage(owner):
            if f"{inside}.{name}" in self.units[path].types:
                return path, f"{inside}.{name}"
        return None

    def lineage(self, owner: Type) -> tuple[Type, ...]:
        """A type and what it inherits from, the nearest first."""
        if owner not in self._lineages:
            self._lineages[owner] = (owner,)  # for what is asked meanwhile
            seen = {owner: None}
            level = [owner]
            while level and len(seen) < _MAX_LINEAGE:
                above = dict.fromkeys(base for holder in level for base in self.supertypes(holder))
                level = [base for base in above if base not in seen]
                seen.update(dict.fromkeys(level))
            self._lineages[owner] = tuple(seen)
        return self._lineages[owner]

    def supertypes(self, holder: Type) -> list[Type]:
        """The types inside the repository that one inherits from directly."""
        if self._depth > _MAX_DEPTH:
            return []
        self._depth += 1
        try:
            return self._scopes[holder[0]].supertypes(holder[1])
        finally:
            self._depth -= 1


def _facade(path: str) -> str:
    """The class that Java sees for what a Kotlin file has at its top level."""
    stem = path.rpartition("/")[2].partition(".")[0]
    return f"{stem[:1].upper()}{stem[1:]}Kt"
