"""Imports and uses of Java and Kotlin resolved to the files that declare what is meant."""

from __future__ import annotations

from collections.abc import Mapping

from builder.repository import Repository
from builder.structure.jvm.members import Members
from builder.structure.jvm.names import Names, Unit
from builder.structure.jvm.scope import Scope
from builder.structure.languages import Facts, Found, Import, Links


def link(facts: Mapping[str, Facts], repository: Repository) -> Links:
    """Resolve every import of ``facts`` and every name that its files use."""
    names = Names(facts, repository)
    members = Members(facts, names)
    found = Found()
    for path, unit in names.units.items():
        scope = names.scope(path)
        for wanted in unit.imports:
            _import(path, wanted, names, scope, found)
        for used, is_value in ((unit.uses, False), (unit.values, True)):
            for inside, written in used.items():
                for dotted in written:
                    targets = [target for target, _ in scope.chain(inside, dotted)]
                    if is_value and not targets:
                        targets = scope.callables(inside, dotted.partition(".")[0])
                    for target in targets:
                        found.edge(path, target, _kind(unit, names.units[target]))
        for inside, written in unit.asked.items():
            for expression in written:
                for target in members.reached(path, inside, expression):
                    found.edge(path, target, _kind(unit, names.units[target]))
        for target in scope.extensions():
            found.edge(path, target, _kind(unit, names.units[target]))
    return found.links()


def _kind(unit: Unit, other: Unit) -> str:
    return "same-package" if unit.package == other.package else "import"


def _import(path: str, wanted: Import, names: Names, scope: Scope, found: Found) -> None:
    if wanted.name == "*" and wanted.module in names.packages and not wanted.form:
        return  # what is used of it says which files are meant
    chain = scope.qualified(wanted.module)
    targets = [target for target, _ in chain]
    if path.endswith((".kt", ".kts")):
        targets += names.callables(path, wanted.module)
    for target in targets:
        found.edge(path, target, "import")
    if not targets:
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
