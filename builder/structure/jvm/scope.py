"""What a name means in one file of Java or Kotlin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builder.structure.jvm.names import Names, Type, Unit

_MAX_PARTS = 30  # of a dotted name; the rest of a longer one is not looked at


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
        first, *rest = dotted.split(".", _MAX_PARTS)[:_MAX_PARTS]
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
        parts = dotted.split(".", _MAX_PARTS)[:_MAX_PARTS]
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
                chain = self.qualified(wanted)
                if chain and chain[-1][1].rpartition(".")[2] == wanted.rpartition(".")[2]:
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

    def callables(self, inside: str, name: str) -> list[str]:
        """The file of the function or property at the top level of a package that ``name`` means.

        What an import names is left to the import. Members of the types around it hide what is at the top
        level. Where several files declare the name, the types of arguments decide, which are not known here.
        """
        if name in self._single:
            return []
        while inside:
            if self._names.has_member((self._path, inside), name):
                return []
            inside = inside.rpartition(".")[0]
        found = self._beside(name)
        return found if len(found) == 1 else []

    def extensions(self) -> Iterable[str]:
        """The files of extensions that are called on values, without an import of their own.

        Of such a value the type is not known. It counts as the one that the extension is for where this
        file names that type, and where no type here has a member of that name, which would come first.
        """
        unit = self._unit
        written = (names for used in (unit.uses, unit.values) for names in used.values())
        named = {part for names in written for name in names for part in name.split(".")}
        for name in self._unit.called:
            if name in self._single or name in self._names.members:
                continue
            files = self._beside(name)
            if len(files) == 1 and named & self._names.receivers[files[0], name]:
                yield files[0]

    def _beside(self, name: str) -> list[str]:
        """The files that declare a callable in the package, or else in one that is imported on demand."""
        names, path = self._names, self._path
        found = names.callables(path, f"{self._unit.package}.{name}", far=False)
        for package in () if found else self._on_demand:
            found = found + names.callables(path, f"{package}.{name}")
        return found
