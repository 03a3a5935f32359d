"""What a C# project sees: its own types, and those of the projects that it references."""

from __future__ import annotations

from collections.abc import Callable

from builder.structure.csharp.declared import Declared, Part, dotted
from builder.structure.csharp.facts import Member, Using
from builder.structure.csharp.projects import LOOSE

_MAX_DEPTH = 40  # of bases that have to be known to know a base
_MAX_LINEAGE = 100
Bases = Callable[[Part], tuple[list[str], bool]]


class View:
    """What the files see that the same projects compile. A type of their own hides another one's namesake."""

    def __init__(self, declared: Declared, own: frozenset[str], bases: Bases) -> None:
        projects = declared.projects
        self.declared = declared
        self.own = own
        self._bases = bases
        self._is_loose = any(project.endswith(LOOSE) for project in own)
        if self._is_loose:
            self.referenced = self.all = declared.everything
        else:
            self.referenced = frozenset(seen for project in own for seen in projects.seen_by(project)) - own
            self.all = own | self.referenced
        shared = declared.everything if self._is_loose and not projects else own
        self.usings: tuple[Using, ...] = tuple(
            dict.fromkeys(using for project in sorted(shared) for using in declared.globals.get(project, ()))
        )
        names = {name for project in own for name in projects.names(project)} | {"*"}
        friendly = declared.friends
        self._open = (
            self.all
            if self._is_loose
            else frozenset(seen for seen in self.referenced if friendly.get(seen, set()) & names)
        )
        self._parts: dict[str, tuple[Part, ...] | None] = {}
        self._members: dict[str, dict[str, list[tuple[Part, Member]]]] = {}
        self._lineages: dict[str, tuple[list[str], bool]] = {}

    def parts(self, full: str) -> tuple[Part, ...] | None:
        """The declarations of a type; none where it is not seen, ``None`` where several types are meant."""
        if full not in self._parts:
            self._parts[full] = self._visible(full)
        return self._parts[full]

    def has_namespace(self, name: str) -> bool:
        """Whether anything that is seen lies in a namespace."""
        return not name or not self.all.isdisjoint(self.declared.namespaces.get(name, ()))

    def members(self, full: str) -> dict[str, list[tuple[Part, Member]]]:
        """What a type itself declares, by name."""
        if full not in self._members:
            found: dict[str, list[tuple[Part, Member]]] = {}
            for part in self.parts(full) or ():
                for member in part.declared.members:
                    found.setdefault(member.name, []).append((part, member))
            self._members[full] = found
        return self._members[full]

    def lineage(self, full: str) -> tuple[list[str], bool]:
        """A type and those that it inherits from, and whether these are all."""
        if full in self._lineages:
            return self._lineages[full]
        self._lineages[full] = [full], False  # what asks for it meanwhile goes in a circle
        if self.declared.depth > _MAX_DEPTH:
            return self._lineages.pop(full)
        self.declared.depth += 1
        found: dict[str, None] = {full: None}
        waiting, known = [full], True
        while waiting and len(found) < _MAX_LINEAGE:
            for part in self.parts(waiting.pop()) or ():
                bases, all_known = self._bases(part)
                known = known and all_known
                waiting += [base for base in bases if base not in found]
                found.update(dict.fromkeys(bases))
        self.declared.depth -= 1
        self._lineages[full] = list(found), known and not waiting
        return self._lineages[full]

    def member(self, full: str, name: str) -> Member | None:
        """What a name means among the members of a type and those that it inherits."""
        for ancestor in self.lineage(full)[0]:
            if found := self.members(ancestor).get(name):
                return found[0][1]
        return None

    def nested(self, full: str, name: str) -> str | None:
        """The full name of a type within a type, or within what that inherits from."""
        if name in self.declared.holders:
            for ancestor in self.lineage(full)[0]:
                if self.parts(dotted(ancestor, name)):
                    return dotted(ancestor, name)
        return None

    def _visible(self, full: str) -> tuple[Part, ...] | None:
        parts = self.declared.parts.get(full, ())
        if not self.declared.projects and all("partial" in part.declared.modifiers for part in parts):
            return tuple(parts)
        own = tuple(part for part in parts if part.projects & self.own)
        if own:
            return own
        # One public part makes the whole type public.
        public = frozenset(project for part in parts if part.is_public for project in part.projects)
        seen = tuple(
            part
            for part in parts
            if (found := part.projects & self.referenced) and (found & public or found & self._open)
        )
        return seen if len({part.projects for part in seen}) <= 1 else None
