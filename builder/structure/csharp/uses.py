"""The uses of names in one C# file, and the edges that they make."""

from __future__ import annotations

from collections.abc import Collection

from builder.structure.csharp.declared import Part
from builder.structure.csharp.facts import Member, Use, Using
from builder.structure.csharp.lookup import Lookup, Meaning
from builder.structure.languages import Found

# Methods that types of the standard library have, or its own extensions: whose one is called is for the
# receiver's type to say.
_COMMON = """
    Add AddRange Aggregate All Any Append AsEnumerable AsMemory AsQueryable AsSpan Average Cast Clear Clone
    Close Combine CompareTo Concat ConfigureAwait Contains ContainsKey Copy CopyTo Count Create Deconstruct
    DefaultIfEmpty Dequeue Dispose DisposeAsync Distinct DistinctBy ElementAt EndsWith Enqueue Equals Except
    Execute Exists Find FindAll First FirstAsync FirstOrDefault FirstOrDefaultAsync Flush ForEach Format Get
    GetAsync GetAttribute GetAwaiter GetConstructor GetCustomAttribute GetCustomAttributes GetEnumerator
    GetGenericArguments GetHashCode GetInterfaces GetMember GetMembers GetMethod GetMethods GetProperties
    GetProperty GetOrAdd GetRange GetService GetType GetValue GetValueOrDefault GroupBy GroupJoin Include
    IndexOf Insert Intersect Invoke IsDefined IsNullOrEmpty Join Last LastIndexOf LastOrDefault Length Load
    Max MaxBy Min MinBy OfType Open OrderBy OrderByDescending Parse Peek Pop Prepend Push Range Read ReadAsync
    ReadLine ReadToEnd Remove RemoveAll RemoveAt Replace Reset Reverse Run Save SaveChanges Select SelectMany
    SendAsync SequenceEqual Set SetValue Single SingleOrDefault Skip SkipWhile Sort Split Start StartsWith
    Stop Substring Sum Take TakeWhile ThenBy ThenByDescending ToArray ToArrayAsync ToCharArray ToDictionary
    ToHashSet ToList ToListAsync ToLookup ToLower ToLowerInvariant ToString ToUpper ToUpperInvariant Trim
    TrimEnd TrimStart TryAdd TryGetValue TryParse TryRemove Union Update Use Wait Where WhereAsync With Write
    WriteAsync WriteLine Zip
"""
_OUTSIDE = frozenset(_COMMON.split())


class Uses:
    """What one file uses."""

    def __init__(self, lookup: Lookup, found: Found) -> None:
        self._lookup = lookup
        self._view = lookup.view
        self._declared = lookup.view.declared
        self._path = lookup.path
        self._source = self._declared.sources[lookup.path]
        self._found = found

    def link(self) -> None:
        """Collect all edges of the file."""
        forms = {
            "type": self._type, "attribute": self._attribute, "value": self._value, "pattern": self._value,
            "nameof": self._value, "call": self._call, "bare": self._member, "this": self._member,
        }  # fmt: skip
        for use in self._source.uses:
            forms[use.form](use)
        bare = {use.name for use in self._source.uses if use.form == "bare"}
        for index, scope in enumerate(self._source.scopes):
            for using in scope.usings:
                self._using(using, index, bare)

    def _using(self, using: Using, scope: int, bare: Collection[str]) -> None:
        meaning = self._lookup.whole(scope, using.name, without=scope) if using.name else None
        name = using.name.removeprefix("global::").partition("`")[0]
        if meaning is not None:
            self._reach(meaning._replace(how="import"), bare if using.is_static else (), name)
        elif name:
            around = name.rpartition(".")[0]
            names_type = bool(around) and (using.is_static or bool(using.alias))
            if names_type and self._is_inhabited(self._lookup.whole(scope, around, scope)):
                self._found.unresolved.add((self._path, name))
            elif around or not using.alias:  # what an alias calls a simple name is another directive's matter
                self._found.external.add(name)

    def _type(self, use: Use) -> None:
        meaning = self._lookup.whole(use.scope, use.name)
        if meaning is not None:
            self._reach(meaning, (), use.name)
        elif "." in use.name:
            around = use.name.rpartition(".")[0]
            if self._is_inhabited(self._lookup.whole(use.scope, around)):
                self._found.unresolved.add((self._path, _plain(use.name)))

    def _attribute(self, use: Use) -> None:
        name, mark, arity = use.name.partition("`")
        meaning = self._lookup.whole(use.scope, f"{name}Attribute{mark}{arity}")
        if meaning is None:
            meaning = self._lookup.whole(use.scope, use.name)
            if meaning is None or not self._is_attribute(meaning):
                return
        self._reach(meaning, (), use.name)

    def _is_attribute(self, meaning: Meaning) -> bool:
        ancestors = self._view.lineage(meaning.full)[0] if meaning.kind == "type" else []
        parts = (part for full in ancestors for part in self._view.parts(full) or ())
        return any(base.endswith("Attribute") for part in parts for base in part.declared.bases)

    def _value(self, use: Use) -> None:
        first, *rest = self._lookup.split(use.name)
        member, is_sure = self._nearer(use.scope, first)
        if member is not None and member.type != first:  # `Color Color` may be either
            return
        meaning = self._lookup.head(use.scope, first)
        while meaning is not None and meaning.kind == "namespace" and rest:
            meaning = self._lookup.step(meaning, rest.pop(0))
        if meaning is None or meaning.kind == "namespace":
            return
        while rest and meaning.kind == "type" and (nested := self._lookup.step(meaning, rest[0])):
            meaning = nested
            rest.pop(0)
        if meaning.kind == "ambiguous" or (not rest and (is_sure or use.form != "nameof")):
            self._reach(meaning, (), use.name)
        elif rest and self._has(meaning.full, rest[0], use.form == "nameof", is_sure):
            self._reach(meaning, (rest[0],), use.name)

    def _nearer(self, scope: int, name: str) -> tuple[Member | None, bool]:
        """The member that a name without qualifier means, and whether there can be no other one."""
        is_sure = True
        for full in self._lookup.enclosing_types(scope):
            if member := self._view.member(full, name):
                return member, True
            is_sure = is_sure and self._view.lineage(full)[1]
        return None, is_sure

    def _has(self, full: str, name: str, any_member: bool, is_sure: bool) -> bool:
        """Whether a type has a member that is reached by the type's name."""
        ancestors, is_all = self._view.lineage(full)
        for ancestor in ancestors:
            if found := self._view.members(ancestor).get(name):
                return any_member or any(member.is_static for _, member in found)
        is_partial = any("partial" in part.declared.modifiers for part in self._view.parts(full) or ())
        return is_sure and (not is_all or is_partial)  # a part of it may be generated

    def _call(self, use: Use) -> None:
        name = use.name
        parts = self._declared.extensions.get(name)
        if not parts or name in _OUTSIDE or self._declared.instance.get(name, set()) & self._view.all:
            return
        if use.qualifier and not self._is_instance(use):
            return
        found: dict[str, str] = {}
        for part in parts:
            if part in (self._view.parts(part.full) or ()) and (how := self._in_scope(part, use.scope)):
                found[part.full] = how
        if len(found) == 1:
            ((full, how),) = found.items()
            self._reach(Meaning("type", full, how), (name,), name)

    def _is_instance(self, use: Use) -> bool:
        """Whether what stands before a call's dot is known to be no type."""
        first = self._lookup.split(use.qualifier)[0]
        member, _ = self._nearer(use.scope, first)
        return member is not None or (first[:1].islower() and self._lookup.head(use.scope, first) is None)

    def _in_scope(self, part: Part, scope: int) -> str:
        """The kind of edge by which the extensions of a static class are used in a scope; ``""`` for none."""
        for space, owner in self._lookup.spaces(scope):
            if space == part.namespace:
                return "same-package"
            if owner >= 0:
                imports = self._lookup.imports(owner)
                if part.namespace in imports.namespaces or part.full in imports.static:
                    return "import"
        return ""

    def _member(self, use: Use) -> None:
        """A member that another part of the same type declares, or one that is imported with its type."""
        is_sure = True
        for full in self._lookup.enclosing_types(use.scope):
            if found := self._view.members(full).get(use.name):
                paths = {part.path for part, _ in found}
                if self._path not in paths:
                    for path in paths:
                        self._found.edge(self._path, path, "same-package")
                return
            if use.form == "this" or self._view.member(full, use.name):
                return
            is_sure = is_sure and self._view.lineage(full)[1]
        for _, owner in self._lookup.spaces(use.scope) if is_sure else ():
            static = self._lookup.imports(owner).static if owner >= 0 else ()
            holders = [full for full in static if self._has_static(full, use.name)]
            if holders:
                if len(holders) == 1:
                    self._reach(Meaning("type", holders[0]), (use.name,), use.name)
                return

    def _has_static(self, full: str, name: str) -> bool:
        return any(member.is_static for _, member in self._view.members(full).get(name, ()))

    def _reach(self, meaning: Meaning, names: Collection[str], written: str) -> None:
        """An edge to the parts of a type that declare one of ``names``, or to all of them."""
        if meaning.kind == "ambiguous":
            self._found.unresolved.add((self._path, _plain(written)))
        if meaning.kind != "type":
            return
        parts = self._view.parts(meaning.full) or ()
        all_paths = {part.path for part in parts}
        if len(all_paths) > 1 and names:
            members = self._view.members(meaning.full)
            paths = {part.path for name in names for part, _ in members.get(name, ())}
        else:
            paths = set()
        paths = paths or all_paths
        if self._path not in paths:
            how = "same-package" if self._path in all_paths else meaning.how
            for path in paths:
                self._found.edge(self._path, path, how)

    def _is_inhabited(self, meaning: Meaning | None) -> bool:
        """Whether a name stands for a namespace of the repository's own, which holds types."""
        if meaning is None or meaning.kind != "namespace" or meaning.full.partition(".")[0] == "System":
            return False  # of the standard library's namespaces a project adds to, it has but little
        return meaning.full in self._declared.inhabited


def _plain(name: str) -> str:
    """A name without numbers of type parameters."""
    return ".".join(part.partition("`")[0] for part in name.removeprefix("global::").split("."))
