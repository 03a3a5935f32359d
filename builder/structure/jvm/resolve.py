"""Imports and uses of Java and Kotlin resolved to the files that declare what is meant."""

from __future__ import annotations

from collections.abc import Mapping

from builder.repository import Repository
from builder.structure.jvm.names import Names, Scope
from builder.structure.languages import Facts, Found, Import, Links


def link(facts: Mapping[str, Facts], repository: Repository) -> Links:
    """Resolve every import of ``facts`` and every name that its files use."""
    names = Names(facts, repository)
    found = Found()
    for path, unit in names.units.items():
        scope = names.scope(path)
        for wanted in unit.imports:
            _import(path, wanted, names, scope, found)
        imported = {wanted.module for wanted in unit.imports}
        for inside, used in unit.uses.items():
            for dotted in used:
                for target, _ in scope.chain(inside, dotted):
                    is_beside = names.units[target].package == unit.package
                    found.edge(path, target, "same-package" if is_beside else "import")
    return found.links()


def _import(path: str, wanted: Import, names: Names, scope: Scope, found: Found) -> None:
    if wanted.name == "*" and wanted.module in names.packages and not wanted.form:
        return  # what is used of it says which files are meant
    chain = scope.qualified(wanted.module)
    for target, _ in chain:
        found.edge(path, target, "import")
    if not chain:
        package = _package(wanted)
        if package in names.packages:
            found.unresolved.add((path, wanted.module))
        else:
            found.external.add(package)


def _package(wanted: Import) -> str:
    """The package of an import, by the custom that types begin with a capital."""
    parts = wanted.module.split(".")
    capital = next((number for number, part in enumerate(parts) if part[:1].isupper()), None)
    if capital is None and wanted.name != "*":
        capital = len(parts) - 1
    return ".".join(parts[:capital])
