"""Python's imports resolved to files by Python's own rules; where they leave room, as grimp decides.

`import a.b.c` and `from a.b import c` depend on the module that is named (a.b.c where it is one, else a.b),
not on every package around it. A name from outside never lands on a file inside: each file sees its own roots
only, the standard library comes before them, and what is missing in a namespace package may be elsewhere.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from builder.repository import Repository
from builder.structure.languages import Facts, Found, Import, Links
from builder.structure.paths import join, parents
from builder.structure.python.projects import Layout, Root

_SUFFIXES = (".pyx", ".pyi", ".pyw", ".py")  # of one stem the last one wins
_STDLIB = sys.stdlib_module_names | {"test"}  # CPython's own tests, which that list leaves out


def link(facts: Mapping[str, Facts], repository: Repository) -> Links:
    """Resolve every import of ``facts``."""
    resolver = _Resolver(repository)
    found = Found()
    for path, known in facts.items():
        for wanted in known.imports:
            target = resolver.resolve(path, wanted, known.is_script)
            if target is None:
                found.unresolved.add((path, _written(wanted)))
            elif isinstance(target, _External):
                found.external.add(wanted.module.partition(".")[0])
            elif target:
                found.edge(path, target, wanted.kind)
    return found.links()


def asked(path: str, known: Facts, repository: Repository) -> Iterator[tuple[str, str]]:
    """The names that the file at ``path`` imports from files here, each with its file; no submodules."""
    resolver = _Resolver(repository)
    for wanted in known.imports:
        if wanted.name in ("", "*"):
            continue
        target = resolver.resolve(path, wanted, known.is_script)
        module = resolver.resolve(path, replace(wanted, name=""), known.is_script)
        if isinstance(target, str) and target and target == module:
            yield target, wanted.name


class _External:
    """The answer for a name that is not of this repository."""


class _Resolver:
    def __init__(self, repository: Repository) -> None:
        self._modules: dict[str, str] = {}
        self._packages: dict[str, str] = {}
        paths = [file.path for file in repository.files]
        for suffix in _SUFFIXES:
            for path in paths:
                if path.endswith(suffix):
                    folder, _, name = path.removesuffix(suffix).rpartition("/")
                    if name == "__init__":
                        self._packages[folder] = path
                    else:
                        self._modules[join(folder, name)] = path
        modules = (*self._modules.values(), *self._packages.values())
        self._folders = {folder for path in modules for folder in parents(path)}
        self._layout = Layout(repository, self._packages)
        # A repository that is itself a package goes by its own name.
        self._own_name = repository.identity.rpartition("/")[2] if "" in self._packages else ""

    def resolve(self, path: str, wanted: Import, is_script: bool) -> str | _External | None:
        """The file meant, ``""`` for a folder without one, :class:`_External`, or ``None``: missing."""
        if wanted.level:
            around = list(parents(path))
            if wanted.level > len(around):
                return None
            return self._at(join(around[wanted.level - 1], *_parts(wanted)), wanted.name)
        if not wanted.module:
            return None
        top = wanted.module.partition(".")[0]
        roots = self._roots(path, is_script)
        if top == self._own_name:
            return self._at(join(*_parts(wanted)[1:]), wanted.name)
        if top in _STDLIB and not self._is_part_of(path, top, roots):
            return _External()
        namespaces = []
        for root in roots:
            stem = join(root.folder, top)
            if root.only not in ("", top):
                continue
            if stem in self._packages or stem in self._modules:
                return self._at(join(root.folder, *_parts(wanted)), wanted.name)
            if stem in self._folders:
                namespaces.append(root.folder)
        for folder in namespaces:
            found = self._at(join(folder, *_parts(wanted)), wanted.name)
            if found is not None:
                return found
        return _External()

    def _at(self, stem: str, name: str) -> str | None:
        """The file of module ``stem``, or of its submodule ``name``."""
        is_folder = stem in self._packages or (stem not in self._modules and stem in self._folders)
        if name and name != "*" and is_folder:
            child = join(stem, name)
            if found := self._packages.get(child) or self._modules.get(child):
                return found
            if stem not in self._packages:
                return "" if child in self._folders else None
        return self._packages.get(stem) or self._modules.get(stem) or ("" if is_folder else None)

    def _is_part_of(self, path: str, top: str, roots: tuple[Root, ...]) -> bool:
        """Whether ``path`` itself belongs to the top-level module ``top``."""
        stems = [join(root.folder, top) for root in roots]
        return any(path.startswith(stem + "/") and stem in self._packages for stem in stems)

    @functools.cache  # noqa: B019 - a resolver lives for one call of `link`
    def _roots(self, path: str, is_script: bool) -> tuple[Root, ...]:
        return tuple(self._layout.roots(path, is_script))


def _parts(wanted: Import) -> list[str]:
    return wanted.module.split(".") if wanted.module else []


def _written(wanted: Import) -> str:
    names = [part for part in (wanted.module, wanted.name) if part and part != "*"]
    return "." * wanted.level + ".".join(names)
