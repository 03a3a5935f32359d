"""The modules of each crate: which file each one lies in, and what it defines and imports.

A file may be a module of several crates, and more than once of one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from builder.structure.languages import Facts, Found, Import
from builder.structure.paths import join, normalised
from builder.structure.rust.crates import Crate
from builder.structure.rust.scan import MACRO_USE, MAYBE, PUBLIC

# A file that is declared again and again stops to be read anew: rustc would take exponential time.
_MAX_IN_CRATE = 8
_MAX_IN_ALL = 1_000
_MAX_NESTED = 128  # rustc's own limit


@dataclass(eq=False)
class Module:
    """A module of a crate. What is `pub` in any way counts as seen by others.

    ``uses`` are paths by the names that they get here, with whether others see them.
    """

    crate: Crate
    parent: Module | None
    file: str  # where it begins
    is_public: bool = True
    children: dict[str, list[Module]] = field(default_factory=lambda: defaultdict(list))
    # With the files that define them, and whether others see them there.
    items: dict[str, dict[str, bool]] = field(default_factory=lambda: defaultdict(dict))
    uses: dict[str, list[tuple[str, bool]]] = field(default_factory=lambda: defaultdict(list))
    globs: list[tuple[str, bool]] = field(default_factory=list)
    externs: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)  # modules without a file
    is_open: bool = False  # there may be more in it than is written

    @property
    def root(self) -> Module:
        """The root of its crate."""
        module = self
        while module.parent is not None:
            module = module.parent
        return module


@dataclass(frozen=True)
class Place:
    """A file as a module of a crate reads it. ``folder`` and ``below`` say where it looks for modules."""

    path: str
    module: Module
    folder: str
    below: str = ""  # a folder in that one, for modules without `#[path]`
    around: frozenset[str] = frozenset()  # files that came to this one


@dataclass(frozen=True)
class Wanted:
    """A path or a macro's name that a file asks for, and the module that does."""

    path: str
    module: Module
    what: Import


class Tree:
    """The modules of one crate and what their files ask for; ``found`` gets the edges that declare them."""

    def __init__(
        self,
        crate: Crate,
        facts: Mapping[str, Facts],
        paths: Collection[str],
        found: Found,
        counts: Counter[str],
    ) -> None:
        self.root = Module(crate, None, crate.root)
        self.wanted: list[Wanted] = []
        self.macro_crates: list[str] = []  # whose macros are in scope everywhere
        self.files: set[str] = set()
        self.declared: set[tuple[str, str]] = set()  # files and those of their modules
        self._facts, self._paths, self._found, self._counts = facts, paths, found, counts
        self._in_crate: Counter[str] = Counter()
        self._macros: dict[str, str | None] = {}  # in scope at the place that is read, with their files
        self._shadowed: list[tuple[str, str | None]] = []  # what to put back, the last first
        # In the order in which rustc expands them, which decides on the macros in scope.
        stack = [self._read(Place(crate.root, self.root, crate.root.rpartition("/")[0]), False)]
        while stack:
            if inner := next(stack[-1], None):
                stack.append(self._read(*inner))
            else:
                stack.pop()

    def _read(self, place: Place, keeps_macros: bool) -> Iterator[tuple[Place, bool]]:
        """Read one file, and give those that it declares when it is their turn."""
        path = place.path
        self.files.add(path)
        self._in_crate[path] += 1
        self._counts[path] += 1
        if self._in_crate[path] > _MAX_IN_CRATE or self._counts[path] > _MAX_IN_ALL:
            return
        mark = len(self._shadowed)
        scopes = {"": place}
        inline: list[tuple[str, int]] = []  # those around, and how many macros there were before each
        for what in self._facts[path].imports:
            while inline and what.form != inline[-1][0] and not what.form.startswith(f"{inline[-1][0]}::"):
                self._restore(inline.pop()[1])
            here = scopes.get(what.form, place)
            if what.kind == "inline":
                scope = f"{what.form}::{what.name}" if what.form else what.name
                scopes[scope] = self._inline(here, what)
                if not what.level & MACRO_USE:
                    inline.append((scope, len(self._shadowed)))
            elif what.kind == "mod":
                if declared := self._declared(here, what):
                    yield declared, bool(what.level & MACRO_USE)
            elif what.kind == "include":
                if included := self._included(here, what):
                    yield included, True
            elif what.kind == "macro":
                self._shadowed.append((what.name, self._macros.get(what.name)))
                self._macros[what.name] = path
                (self.root if what.level else here.module).items[what.name][path] = bool(what.level)
            else:
                self._note(here, what)
        if not keeps_macros:
            self._restore(mark)

    def _restore(self, mark: int) -> None:
        while len(self._shadowed) > mark:
            name, before = self._shadowed.pop()
            self._macros[name] = before

    def _inline(self, here: Place, what: Import) -> Place:
        child = Module(here.module.crate, here.module, here.path, bool(what.level & PUBLIC))
        here.module.children[what.name].append(child)
        folder = normalised(here.folder, what.module) if what.module else None
        folder = join(here.folder, here.below, what.name) if folder is None else folder
        return Place(here.path, child, folder, around=here.around)

    def _declared(self, here: Place, what: Import) -> Place | None:
        """The file of a module. One with a `#[path]`, and a `mod.rs`, look for theirs in their own folder."""
        if what.module:
            path = normalised(here.folder, what.module)
            there = [path] if path in self._facts else []
        else:
            stem = join(here.folder, here.below, what.name)
            there = [path for path in (f"{stem}.rs", f"{stem}/mod.rs") if path in self._facts]
        path = there[0] if len(there) == 1 else None
        if path is None or path in here.around or path == here.path or len(here.around) > _MAX_NESTED:
            if not what.level & MAYBE:
                self._found.unresolved.add((here.path, f"mod {what.name}"))
                here.module.missing.add(what.name)
            return None
        self._found.edge(here.path, path, "include")
        self.declared.add((here.path, path))
        child = Module(here.module.crate, here.module, path, bool(what.level & PUBLIC))
        here.module.children[what.name].append(child)
        folder, _, name = path.rpartition("/")
        below = "" if what.module or name == "mod.rs" else what.name
        return Place(path, child, folder, below, here.around | {here.path})

    def _included(self, here: Place, what: Import) -> Place | None:
        """The file that is pasted in here, where it is Rust."""
        folder = here.path.rpartition("/")[0]
        path = normalised(folder, what.module) if what.module else None
        if path is None or path not in self._paths:
            if what.name == "include":
                here.module.is_open = True
                self._found.unresolved.add((here.path, f"{what.name}!({what.module or '…'})"))
            return None
        self._found.edge(here.path, path, "include")
        if what.name != "include" or path not in self._facts or path in here.around or path == here.path:
            return None
        return Place(path, here.module, path.rpartition("/")[0], around=here.around | {here.path})

    def _note(self, here: Place, what: Import) -> None:
        module = here.module
        if what.kind == "item":
            known = module.items[what.name]
            known[here.path] = known.get(here.path, False) or bool(what.level)
        elif what.kind == "open":
            module.is_open = True
        elif what.kind == "extern":
            name = "crate" if what.module == "self" else what.module
            module.externs[what.name] = name
            if what.level:
                self.macro_crates.append(name)
            self.wanted.append(Wanted(here.path, module, what))
        elif what.kind == "call":
            if definer := self._macros.get(what.name):
                self._found.edge(here.path, definer, "import")
            else:
                self.wanted.append(Wanted(here.path, module, what))
        else:
            if what.kind == "use" and what.name == "*":
                module.globs.append((what.module, bool(what.level)))
            elif what.kind == "use" and what.name != "_":
                module.uses[what.name].append((what.module, bool(what.level)))
            self.wanted.append(Wanted(here.path, module, what))
