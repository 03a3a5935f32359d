"""Names in C# files resolved to the files that declare the types they mean.

A using directive of a namespace makes no edge by itself, one that names a type does. Of a partial type the
parts are meant that declare the member used, else all of them; a part needs another one of its own type only
for members that it uses without declaring them.

What has a dot in an expression is a type's only if nothing nearer has its name and the type has such a
member. A method is an extension's only if its name is that of one visible class's extensions, of no member of
any visible type, and none that the standard library gives to many of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from builder.repository import Repository
from builder.structure.csharp.declared import Declared, Part
from builder.structure.csharp.facts import Source
from builder.structure.csharp.lookup import Lookup
from builder.structure.csharp.projects import Projects
from builder.structure.csharp.uses import Uses
from builder.structure.csharp.view import View
from builder.structure.languages import Facts, Found, Links


def link(facts: Mapping[str, Facts], repository: Repository) -> Links:
    """Resolve every name of ``facts``."""
    sources = {path: known for path, known in facts.items() if isinstance(known, Source)}
    projects = Projects(repository, sources)
    declared = Declared(sources, projects)
    lookups = _Lookups(declared)
    found = Found()
    for path in sources:
        Uses(lookups.of(path), found).link()
    return found.links()


class _Lookups:
    """One for each file, made when it is asked for: bases are looked up in the files that name them."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._views: dict[frozenset[str], View] = {}
        self._lookups: dict[str, Lookup] = {}
        self._bases: dict[tuple[str, int], tuple[list[str], bool]] = {}

    def of(self, path: str) -> Lookup:
        if path not in self._lookups:
            own = self._declared.projects.of(path)
            if own not in self._views:
                self._views[own] = View(self._declared, own, self.bases)
            self._lookups[path] = Lookup(path, self._views[own])
        return self._lookups[path]

    def bases(self, part: Part) -> tuple[list[str], bool]:
        """The types that one lists as its bases, and whether no other has members for it."""
        place = part.path, part.scope
        if place not in self._bases:
            lookup = self.of(part.path)
            found: list[str] = []
            known = True
            for name in part.declared.bases:
                meaning = lookup.whole(part.declared.parent, name)
                if meaning is not None and meaning.kind == "type":
                    found.append(meaning.full)
                elif part.declared.kind in ("class", "record") and not _is_interface(name):
                    known = False
            self._bases[place] = found, known
        return self._bases[place]


def _is_interface(name: str) -> bool:
    """Whether a name from outside is an interface's, as everyone calls them."""
    last = name.rpartition(".")[2]
    return last[:1] == "I" and last[1:2].isupper()
