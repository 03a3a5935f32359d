"""Which types a Java file reaches through the members that it asks of values.

To call ``a.b(c)`` is to use the types that ``b`` takes and gives, though the file may never name them. Types
of values are those that declarations say; what is given by a type parameter, a lambda's parameter or ``var``
has none here. Where overloads leave a choice, only what all of them give counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from builder.structure.jvm.names import Names, Type
from builder.structure.languages import Facts

# The type of a value, and the files of the types that it has to do with.
Found = tuple[Type | None, frozenset[str]]
_FAR = 1_000  # steps of inheritance: what an argument is not known to be


class Signature(NamedTuple):
    """A member: the type that it gives, and those that it takes; ``None`` for a field."""

    gives: str
    takes: tuple[str, ...] | None


class Members:
    """The members of all types that Java declares."""

    def __init__(self, facts: Mapping[str, Facts], names: Names) -> None:
        self._names = names
        self._signatures: dict[Type, dict[str, list[Signature]]] = defaultdict(lambda: defaultdict(list))
        for path, known in facts.items():
            for entry in known.imports:
                if entry.kind == "signature":
                    self._signatures[path, entry.module][entry.name].append(_signature(entry.form))
        self._members: dict[tuple[Type, str, tuple[Type | None, ...]], Found | None] = {}
        self._values: dict[tuple[str, str, str], Found] = {}

    def reached(self, path: str, inside: str, written: str) -> frozenset[str]:
        """The files of the types that an expression inside a type has to do with."""
        return self._value(path, inside, written)[1]

    def _value(self, path: str, inside: str, written: str) -> Found:
        key = path, inside, written
        if key not in self._values:
            self._values[key] = None, frozenset()
            self._values[key] = self._asked(path, inside, written)
        return self._values[key]

    def _asked(self, path: str, inside: str, written: str) -> Found:
        value, _, member = written.rpartition(" ")
        if not value:
            return self._alone(path, inside, member)
        member, _, said = member.rpartition("/") if "/" in member else (member, "", "")
        arguments = tuple(self._value(path, inside, one)[0] if one else None for one in said.split(","))
        owners: Iterable[Type | None]
        before: frozenset[str] = frozenset()
        if value == "^":
            owners = ((path, holder) for holder in _around(inside))
        elif value == "^^":
            owners = self._names.supertypes((path, inside))
        else:
            owner, before = self._value(path, inside, value)
            owners = (owner,)
        for owner in owners:
            if owner is not None and (found := self._found(owner, member, arguments)):
                return found[0], found[1] | before
        return None, before

    def _alone(self, path: str, inside: str, value: str) -> Found:
        """What a name by itself is: a field, or a type."""
        name = value[1:]
        for holder in _around(inside) if value[0] == "?" else ():
            if found := self._found((path, holder), name, ()):
                return found
        return self._type((path, inside), name), frozenset()

    def _found(self, owner: Type, member: str, arguments: tuple[Type | None, ...]) -> Found | None:
        """What a member of a type gives, and the files of the types in its signature; ``None`` if none."""
        key = owner, member, arguments
        if key not in self._members:
            self._members[key] = self._look_up(owner, member, arguments)
        return self._members[key]

    def _look_up(self, owner: Type, member: str, arguments: tuple[Type | None, ...]) -> Found | None:
        name, is_method, count = member.partition("/")
        for holder in (owner,) if name == "<init>" else self._names.lineage(owner):
            signatures = self._signatures.get(holder, {}).get(name, ())
            fitting = [one for one in signatures if _fits(one, int(count) if is_method else None)]
            if len(fitting) > 1:
                fitting = self._best(holder, fitting, arguments)
            if fitting:
                gives = {self._type(holder, one.gives) for one in fitting}
                given = gives.pop() if len(gives) == 1 else None
                types = {given}
                if len(fitting) == 1:
                    types |= {self._type(holder, taken) for taken in fitting[0].takes or ()}
                return given, frozenset(found[0] for found in types if found is not None)
        return None

    def _best(
        self, holder: Type, fitting: list[Signature], arguments: tuple[Type | None, ...]
    ) -> list[Signature]:
        """Of several methods of one name those that take what is nearest to the arguments of known types."""
        rated: list[tuple[int, Signature]] = []
        for one in fitting:
            distance = 0
            for taken, given in zip(one.takes or (), arguments, strict=False):
                if given is not None:
                    wanted = self._type(holder, taken)
                    lineage = self._names.lineage(given)
                    distance += lineage.index(wanted) if wanted in lineage else _FAR
            rated.append((distance, one))
        least = min(distance for distance, _ in rated)
        return [one for distance, one in rated if distance == least]

    def _type(self, holder: Type, name: str) -> Type | None:
        name = name.removesuffix("*")
        chain = self._names.scope(holder[0]).chain(holder[1], name) if name else []
        return chain[-1] if chain and chain[-1][1].rpartition(".")[2] == name.rpartition(".")[2] else None


def _signature(form: str) -> Signature:
    if form.startswith("="):
        return Signature(form[1:], None)
    gives, *takes = form.split(",")
    return Signature(gives, tuple(takes))


def _fits(signature: Signature, count: int | None) -> bool:
    takes = signature.takes
    if takes is None or count is None:
        return takes is None and count is None
    return len(takes) == count or bool(takes and takes[-1].endswith("*") and count >= len(takes) - 1)


def _around(inside: str) -> Iterator[str]:
    while inside:
        yield inside
        inside = inside.rpartition(".")[0]
