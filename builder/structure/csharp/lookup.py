"""What a name means in a scope of a C# file, by the language's rules: from the innermost scope outwards.

At each step come the types nested in a type or in what it inherits from; of a namespace what it declares
itself, then the aliases of its using directives, then the types of the namespaces that these name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from builder.structure.csharp.declared import dotted
from builder.structure.csharp.facts import LOST, Scope, Using
from builder.structure.csharp.view import View


class Meaning(NamedTuple):
    """What a name stands for. ``how`` is the kind of edge that its use makes."""

    kind: str  # type | namespace | ambiguous
    full: str
    how: str = "import"


class _Imports(NamedTuple):
    """What the using directives of one scope bring in."""

    aliases: dict[str, Meaning | None]
    namespaces: frozenset[str]
    static: tuple[str, ...]


class Lookup:
    """Names in one file."""

    def __init__(self, path: str, view: View) -> None:
        self.path = path
        self.view = view
        self.scopes: tuple[Scope, ...] = view.declared.sources[path].scopes
        self.full = view.declared.full[path]
        self._heads: dict[tuple[int, str], Meaning | None] = {}
        self._imports: dict[int, _Imports] = {}

    def whole(self, scope: int, name: str, without: int = -1) -> Meaning | None:
        """What a name with dots stands for as a whole; ``None`` for what is outside."""
        first, *rest = self.split(name)
        meaning = self.head(scope, first, without)
        for part in rest:
            meaning = self.step(meaning, part)
        return meaning

    def step(self, meaning: Meaning | None, name: str) -> Meaning | None:
        """A name within what another one means."""
        if meaning is None or meaning.kind == "ambiguous":
            return meaning
        if meaning.kind == "type":
            nested = self.view.nested(meaning.full, name)
            return Meaning("type", nested, meaning.how) if nested else None
        return self._in_namespace(meaning.full, name, "import")

    def head(self, scope: int, name: str, without: int = -1) -> Meaning | None:
        """What the first part of a name stands for, the using directives of scope ``without`` apart."""
        if name == "global::":
            return Meaning("namespace", "")
        if name.endswith("::"):
            return self._alias(scope, name[:-2])
        if without >= 0:
            return self._search(scope, name, without)
        if (scope, name) not in self._heads:
            self._heads[scope, name] = self._search(scope, name, without)
        return self._heads[scope, name]

    def enclosing_types(self, scope: int) -> Iterator[str]:
        """The types around a scope, innermost first."""
        while scope >= 0 and self.scopes[scope].kind not in ("file", "namespace"):
            if self.scopes[scope].kind != LOST:
                yield self.full[scope]
            scope = self.scopes[scope].parent

    def imports(self, scope: int) -> _Imports:
        """What the using directives of one scope bring in, those of the whole project among the file's."""
        if scope not in self._imports:
            usings = self.scopes[scope].usings
            self._imports[scope] = self._resolved(scope, usings if scope else (*usings, *self.view.usings))
        return self._imports[scope]

    def spaces(self, scope: int) -> Iterator[tuple[str, int]]:
        """The namespaces around a scope, innermost first, each with the scope whose usings count there."""
        while scope >= 0:
            declared = self.scopes[scope]
            if declared.kind in ("file", "namespace"):
                outer = self.full[declared.parent] if declared.parent >= 0 else None
                space, owner = self.full[scope], scope
                while space != outer:
                    yield space, owner
                    owner = -1  # `namespace A.B` has its usings in A.B alone
                    if not space:
                        break
                    space = space.rpartition(".")[0]
            scope = declared.parent

    def _search(self, scope: int, name: str, without: int) -> Meaning | None:
        for full in self.enclosing_types(scope):
            if nested := self.view.nested(full, name):
                return Meaning("type", nested, "same-package")
        for space, owner in self.spaces(scope):
            if found := self._in_namespace(space, name, "same-package"):
                return found
            if owner < 0 or owner == without:
                continue
            imports = self.imports(owner)
            if name in imports.aliases:
                return imports.aliases[name]
            if found := self._imported(imports, name):
                return found
        return None

    def _imported(self, imports: _Imports, name: str) -> Meaning | None:
        holders = self.view.declared.holders.get(name)
        if not holders:
            return None
        found = [dotted(space, name) for space in imports.namespaces & holders]
        found += [nested for full in imports.static if (nested := self.view.nested(full, name))]
        parts = {full: self.view.parts(full) for full in found}
        seen = [full for full, declared in parts.items() if declared is None or declared]
        if not seen:
            return None
        is_one = len(seen) == 1 and parts[seen[0]] is not None
        return Meaning("type" if is_one else "ambiguous", seen[0])

    def _in_namespace(self, space: str, name: str, how: str) -> Meaning | None:
        full = dotted(space, name)
        if full in self.view.declared.namespaces and self.view.has_namespace(full):
            return Meaning("namespace", full, how)
        if full not in self.view.declared.parts:
            return None
        parts = self.view.parts(full)
        if parts is None:
            return Meaning("ambiguous", full, how)
        return Meaning("type", full, how) if parts else None

    def _alias(self, scope: int, name: str) -> Meaning | None:
        for _, owner in self.spaces(scope):
            if owner >= 0 and name in self.imports(owner).aliases:
                return self.imports(owner).aliases[name]
        return None

    def _resolved(self, scope: int, usings: tuple[Using, ...]) -> _Imports:
        aliases: dict[str, Meaning | None] = {}
        namespaces: set[str] = set()
        static: list[str] = []
        for using in usings:
            meaning = self.whole(scope, using.name, without=scope) if using.name else None
            if using.alias:
                aliases[using.alias] = meaning._replace(how="import") if meaning else None
            elif meaning is None:
                continue
            elif using.is_static and meaning.kind == "type":
                static.append(meaning.full)
            elif not using.is_static and meaning.kind == "namespace":
                namespaces.add(meaning.full)
        return _Imports(aliases, frozenset(namespaces), tuple(dict.fromkeys(static)))

    @staticmethod
    def split(name: str) -> list[str]:
        """The parts of a name; the first may be ``global::`` or an alias with such a mark."""
        root, mark, rest = name.partition("::")
        return [root + mark, *rest.split(".")] if mark else name.split(".")
