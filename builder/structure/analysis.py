"""From a repository to its blueprint."""

from __future__ import annotations

from pathlib import Path

from builder.repository import Repository, load
from builder.structure.detection import detect
from builder.structure.languages import READERS, Facts, reader
from builder.structure.order import order
from builder.structure.types import Blueprint, Dependency


def analyze(repository: Repository | str | Path) -> Blueprint:
    """Languages, dependencies, outlines and order of a repository, or of what :func:`load` reads at a path.

    Nothing of it is run. Equal repositories give equal blueprints.
    """
    if not isinstance(repository, Repository):
        repository = load(repository)
    languages = {file.path: detect(file.path, file.content) for file in repository.files}
    facts: dict[str, dict[str, Facts]] = {}
    for file in repository.files:
        if module := READERS.get(languages[file.path]):
            facts.setdefault(module, {})[file.path] = reader(module).scan(file.content.encode())
    dependencies: set[Dependency] = set()
    external: set[str] = set()
    unresolved: set[tuple[str, str]] = set()
    for module, own in facts.items():
        links = reader(module).link(own, repository)
        dependencies |= links.dependencies
        external |= links.external
        unresolved |= links.unresolved
    known = {path: own[path] for own in facts.values() for path in own}
    return Blueprint(
        repository=repository,
        languages=languages,
        dependencies=tuple(sorted(dependencies)),
        outlines={path: known[path].outline for path in sorted(known)},
        header_lines={path: known[path].header_lines for path in sorted(known)},
        order=order(languages, dependencies),
        external=tuple(sorted(external)),
        unresolved=tuple(sorted(unresolved)),
    )
