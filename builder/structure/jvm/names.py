"""What the files of a repository declare, and which declaration a name means in a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from builder.repository import Repository
from builder.structure.jvm.roots import Modules, Place
from builder.structure.languages import Facts, Import

Type = tuple[str, str]  # a file and a type's path in it
_MAX_DEPTH = 64  # of types in types, and of inheritance


@dataclass
class Unit:
    """What one file says, sorted by what it says."""

    package: str
    place: Place
    types: set[str] = field(default_factory=set)
    supertypes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    imports: list[Import] = field(default_factory=list)
    uses: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


class Names:
    """The declarations of all files."""

    def __init__(self, facts: Mapping[str, Facts], repository: Repository) -> None:
        self.modules = Modules(repository)
        self.units: dict[str, Unit] = {}
        self.packages: set[str] = set()
        self._declared: dict[str, list[str]] = defaultdict(list)
        for path, known in facts.items():
            package = next((entry.module for entry in known.imports if entry.kind == "package"), "")
            unit = self.units[path] = Unit(package, self.modules.place(path, package))
            for entry in known.imports:
                if entry.kind == "type":
                    unit.types.add(entry.module)
                elif entry.kind == "extends":
                    unit.supertypes[entry.module].append(entry.name)
                elif entry.kind == "use":
                    unit.uses[entry.module].append(entry.name)
                elif entry.kind == "import":
                    unit.imports.append(entry)
            for name in unit.types:
                self._declared[f"{package}.{name}"].append(path)
            self.packages.add(package)
        self._scopes = {path: Scope(self, path, unit) for path, unit in self.units.items()}

    def scope(self, path: str) -> Scope:
        """How names are understood in the file at ``path``."""
        return self._scopes[path]

    def declaring(self, path: str, name: str, far: bool = True) -> str | None:
        """The file whose declaration of the qualified ``name`` the file at ``path`` sees.

        Its own source root comes first, then its module, then the modules that this one depends on. Others
        count only where ``far``, and then as well as the name is declared once. Only tests see tests. What is
        declared twice at the same distance is ambiguous: ``None``.
        """
        declared = self._declared.get(name)
        if not declared:
            return None
        if path in declared:
            return path
        here = self.units[path].place
        places = {other: self.units[other].place for other in declared}
        seen = [other for other, place in places.items() if here.is_test or not place.is_test]
        nearest = [other for other in seen if places[other].root == here.root]
        nearest = nearest or [other for other in seen if places[other].module == here.module]
        if not nearest:
            needed = self.modules.needed(here.module)
            nearest = [other for other in seen if places[other].module in needed]
            if not nearest and far:
                nearest = seen
        main = [other for other in nearest if not places[other].is_test]
        nearest = main or nearest
        return nearest[0] if len(nearest) == 1 else None

    def type(self, path: str, name: str, far: bool = True) -> Type | None:
        """The type with the qualified ``name`` that the file at ``path`` sees."""
        found = self.declaring(path, name, far)
        if found is None:
            return None
        package = self.units[found].package
        return found, name[len(package) + 1 :]

    def member(self, owner: Type, name: str) -> Type | None:
        """The type called ``name`` in ``owner`` or in what it inherits from."""
        seen: set[Type] = set()
        level = [owner]
        for _ in range(_MAX_DEPTH):
            following: list[Type] = []
            for holder in level:
                path, inside = holder
                if holder in seen:
                    continue
                seen.add(holder)
                if f"{inside}.{name}" in self.units[path].types:
                    return path, f"{inside}.{name}"
                following += self.supertypes(holder)
            if not following:
                return None
            level = following
        return None

    def supertypes(self, holder: Type) -> list[Type]:
        """The types inside the repository that one inherits from directly."""
        return self._scopes[holder[0]].supertypes(holder[1])


class Scope:
    """How names are understood in one file."""

    def __init__(self, names: Names, path: str, unit: Unit) -> None:
        self._names, self._path, self._unit = names, path, unit
        self._single: dict[str, list[str]] = {}
        self._on_demand: list[str] = []
        for wanted in unit.imports:
            if wanted.name == "*":
                self._on_demand.append(wanted.module)
            else:
                name = wanted.name or wanted.module.rpartition(".")[2]
                self._single.setdefault(name, []).append(wanted.module)
        self._supertypes: dict[str, list[Type]] = {}
        self._simple: dict[tuple[str, str], Type | None] = {}

    def supertypes(self, inside: str) -> list[Type]:
        """Direct supertypes of a type in this file."""
        if inside not in self._supertypes:
            self._supertypes[inside] = []  # what inherits from itself has nothing of it
            outer = inside.rpartition(".")[0]
            found = (self.chain(outer, name) for name in self._unit.supertypes.get(inside, ()))
            self._supertypes[inside] = [chain[-1] for chain in found if chain]
        return self._supertypes[inside]

    def chain(self, inside: str, dotted: str) -> list[Type]:
        """The types that a dotted name leads over, as seen inside a type; none where the first is none."""
        first, *rest = dotted.split(".")
        found = self.simple(inside, first)
        if found is None:
            return self.qualified(dotted)
        chain = [found]
        for name in rest:
            following = self._names.member(chain[-1], name)
            if following is None:
                break
            chain.append(following)
        return chain

    def qualified(self, dotted: str) -> list[Type]:
        """The types that a name leads over which begins with a package."""
        parts = dotted.split(".")
        for length in range(1, len(parts)):
            if ".".join(parts[:length]) not in self._names.packages:
                continue
            found = self._names.type(self._path, ".".join(parts[: length + 1]))
            if found is None:
                continue
            chain = [found]
            for name in parts[length + 1 :]:
                following = self._names.member(chain[-1], name)
                if following is None:
                    break
                chain.append(following)
            return chain
        return []

    def simple(self, inside: str, name: str) -> Type | None:
        """The type that a simple name means inside a type of this file."""
        key = inside, name
        if key not in self._simple:
            self._simple[key] = None
            self._simple[key] = self._enclosing(inside, name) or self._outside(name)
        return self._simple[key]

    def _enclosing(self, inside: str, name: str) -> Type | None:
        """Members of the types around a place, inherited ones too, and types of this file."""
        while inside:
            outer, _, own = inside.rpartition(".")
            if own == name:
                return self._path, inside
            if found := self._names.member((self._path, inside), name):
                return found
            inside = outer
        return (self._path, name) if name in self._unit.types else None

    def _outside(self, name: str) -> Type | None:
        """Single-type imports hide the package's types, and these hide those that are imported on demand."""
        if name in self._single:
            for wanted in self._single[name]:
                if chain := self.qualified(wanted):
                    if chain[-1][1].rpartition(".")[2] == wanted.rpartition(".")[2]:
                        return chain[-1]
            return None
        names, path = self._names, self._path
        if found := names.type(path, f"{self._unit.package}.{name}", far=False):
            return found
        reached = set()
        for wanted in self._on_demand:
            if wanted in names.packages:
                reached.add(names.type(path, f"{wanted}.{name}"))
            elif chain := self.qualified(wanted):
                reached.add(names.member(chain[-1], name))
        reached.discard(None)
        return reached.pop() if len(reached) == 1 else None
