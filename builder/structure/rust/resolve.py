"""Rust's paths resolved to the files that define what they name.

``mod x;`` is what makes a file part of a crate: an edge of kind ``include`` from the file that declares a
module to the module's. What a `use`, a path in the code or a macro's call names is followed through
modules, other `use` declarations and globs, by the rules of the crate's edition, to the file of its
definition: an ``import``.

A path that begins with a name that nothing in scope has is of a crate from outside. What a module gets from a
macro or from outside, so that nobody can tell what it has, counts as that module's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from builder.repository import Repository
from builder.structure.languages import Facts, Found, Links
from builder.structure.rust.crates import crates
from builder.structure.rust.modules import Module, Tree, Wanted
from builder.structure.types import Dependency

_STANDARD = {"std", "core", "alloc", "proc_macro", "test"}
_MAX_DEPTH = 40  # `use` declarations that lead from one to the next
_MAX_LOOKUPS = 500  # modules that one path may lead through


@dataclass(frozen=True)
class Item:
    """Something that a file defines, and that is no module."""

    file: str


@dataclass(frozen=True)
class Outside:
    """A crate that is not in the repository, or something of it."""

    name: str


Target = Module | Item | Outside


def link(facts: Mapping[str, Facts], repository: Repository) -> Links:
    """Resolve what all files ask for, in every crate that they belong to."""
    found = Found()
    paths = {file.path for file in repository.files}
    counts: Counter[str] = Counter()
    trees = [Tree(crate, facts, paths, found, counts) for crate in crates(repository) if crate.root in facts]
    resolver = _Resolver({tree.root.file: tree.root for tree in trees})
    for tree in trees:
        for wanted in tree.wanted:
            resolver.settle(wanted, tree.macro_crates, found)
    reached = {path for tree in trees for path in tree.files}
    for path in facts.keys() - reached:
        _without_crate(path, facts[path], found)
    links = found.links()
    declared = {pair for tree in trees for pair in tree.declared}
    # What a file declares to be its module stays that, also where it makes use of it.
    edges = (
        Dependency(edge.source, edge.target, "include") if (edge.source, edge.target) in declared else edge
        for edge in links.dependencies
    )
    return Links(frozenset(edges), links.external, links.unresolved)


def _without_crate(path: str, known: Facts, found: Found) -> None:
    """Nobody can tell what a file asks for that belongs to no crate, but for the standard library."""
    for what in known.imports:
        first = what.module.removeprefix("::").partition("::")[0]
        if what.kind in ("use", "extern") and first in _STANDARD:
            found.external.add(first)
        elif what.kind in ("use", "extern"):
            found.unresolved.add((path, what.module))
        elif what.kind == "mod":
            found.unresolved.add((path, f"mod {what.name}"))


class _Resolver:
    def __init__(self, roots: Mapping[str, Module]) -> None:
        self._roots = roots
        self._known: dict[tuple[Module, str, bool], frozenset[Target]] = {}
        self._pending: set[tuple[Module, str, bool]] = set()
        self._open: dict[Module, bool] = {}
        self._is_cut = False  # a search ended before it was complete
        self._budget = 0

    def settle(self, wanted: Wanted, macro_crates: list[str], found: Found) -> None:
        """Add to ``found`` what one path or name comes to."""
        what, module = wanted.what, wanted.module
        self._budget, self._is_cut = _MAX_LOOKUPS, False
        if what.kind == "call":
            targets = self._lookup(module, what.name, True, 0) or self._exported(
                module, what.name, macro_crates
            )
        elif what.kind == "extern":
            targets = self._extern(module, what.module)
        else:
            targets = self._follow(module, what.module, what.kind == "use", 0)
            if not targets:
                self._missed(wanted, found)
        for target in targets:
            if not isinstance(target, Outside):
                found.edge(wanted.path, target.file, "import")
            elif what.kind != "call":
                found.external.add(target.name)

    def _missed(self, wanted: Wanted, found: Found) -> None:
        what, module = wanted.what, wanted.module
        first = what.module.removeprefix("::").partition("::")[0]
        is_inside = first in ("crate", "self", "super")
        if what.kind != "use" and not is_inside:
            return  # of a type that the language itself knows, or of one that is a parameter
        if module.crate.edition == "2015" and what.kind == "use":
            module = module.root
        bound = first in module.missing or first in module.uses or first in module.children
        if is_inside or bound or not first[:1].islower() or self._is_open(module):
            found.unresolved.add((wanted.path, what.module))
        else:
            found.external.add(first)

    def _follow(self, module: Module, path: str, is_use: bool, depth: int) -> frozenset[Target]:
        """What a path names, as written in ``module``."""
        first, *names = path.split("::")
        is_old = module.crate.edition == "2015"
        targets: frozenset[Target]
        if first == "crate":
            targets = frozenset([module.root])
        elif first == "self":
            targets = frozenset([module])
        elif first == "super":
            targets = frozenset([module.parent] if module.parent else [])
        elif not first and names:
            first, *names = names
            found = self._lookup(module.root, first, True, depth) if is_old else frozenset()
            targets = found or self._crate(module, first)
        else:
            found = self._lookup(module.root if is_old and is_use else module, first, True, depth)
            targets = found or self._crate(module, first)
        for name in names:
            targets = self._step(module, targets, name, depth)
        return targets

    def _step(self, module: Module, targets: frozenset[Target], name: str, depth: int) -> frozenset[Target]:
        """What ``name`` is in ``targets``. Types keep what they have; so does what is outside."""
        modules = [target for target in targets if isinstance(target, Module)]
        if not modules:
            return targets
        found: set[Target] = set()
        for target in modules:
            if name == "self":
                found.add(target)
            elif name == "super":
                found.update([target.parent] if target.parent else [])
            elif inside := self._lookup(target, name, _is_within(module, target), depth):
                found |= inside
            elif name not in target.missing and self._is_open(target):
                found.add(Item(target.file))
        return frozenset(found)

    def _lookup(self, module: Module, name: str, sees_all: bool, depth: int) -> frozenset[Target]:
        """What ``name`` is in a module, for one that sees all of it or only what is public."""
        key = module, name, sees_all
        if key in self._known:
            return self._known[key]
        self._budget -= 1
        if key in self._pending or depth > _MAX_DEPTH or self._budget < 0:
            self._is_cut = True
            return frozenset()
        self._pending.add(key)
        targets: set[Target] = {
            Item(file) for file, is_public in module.items.get(name, {}).items() if sees_all or is_public
        }
        targets.update(child for child in module.children.get(name, ()) if sees_all or child.is_public)
        if name in module.externs:
            targets |= self._extern(module, module.externs[name])
        for path, is_public in module.uses.get(name, ()):
            if sees_all or is_public:
                targets |= self._follow(module, path, True, depth + 1)
        if not targets:
            for path, is_public in module.globs:
                if sees_all or is_public:
                    for target in self._follow(module, path, True, depth + 1):
                        if isinstance(target, Module) and target is not module:
                            targets |= self._lookup(target, name, _is_within(module, target), depth + 1)
        self._pending.discard(key)
        if not self._is_cut or depth == 0:
            self._known[key] = frozenset(targets)
        return frozenset(targets)

    def _is_open(self, module: Module) -> bool:
        """Whether a module may have more than its files show: from a macro, or by globs from outside."""
        if module not in self._open:
            seen, stack = {module}, [module]
            self._open[module] = False
            while stack and len(seen) < _MAX_LOOKUPS:
                place = stack.pop()
                targets = [self._follow(place, path, True, 0) for path, _ in place.globs]
                reached = {target for found in targets for target in found}
                if (
                    place.is_open
                    or not all(targets)
                    or any(isinstance(target, Outside) for target in reached)
                ):
                    self._open[module] = True
                    break
                stack += [target for target in reached if isinstance(target, Module) and target not in seen]
                seen.update(stack)
        return self._open[module]

    def _crate(self, module: Module, name: str) -> frozenset[Target]:
        """The crate that ``name`` is everywhere in the crate of ``module``."""
        if name in module.crate.visible:
            root = self._roots.get(module.crate.visible[name])
            return frozenset([root if root else Outside(name)])
        top = module.root
        if (real := top.externs.get(name)) and real != name:
            return self._extern(module, real)
        return frozenset([Outside(name)] if name in _STANDARD or name in top.externs else [])

    def _extern(self, module: Module, name: str) -> frozenset[Target]:
        """What ``extern crate`` names."""
        if name in ("crate", "self"):
            return frozenset([module.root])
        root = self._roots.get(module.crate.visible.get(name, ""))
        return frozenset([root if root else Outside(name)])

    def _exported(self, module: Module, name: str, macro_crates: list[str]) -> frozenset[Target]:
        """The macro ``name`` of a crate from which all are in scope."""
        roots = (root for crate in macro_crates for root in self._extern(module, crate))
        return frozenset(
            Item(file) for root in roots if isinstance(root, Module) for file in root.items.get(name, ())
        )


def _is_within(module: Module | None, other: Module) -> bool:
    while module is not None and module is not other:
        module = module.parent
    return module is not None
