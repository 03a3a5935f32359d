"""From a repository to its blueprint."""

from __future__ import annotations

from pathlib import Path

from builder.errors import UserError
from builder.repository import Repository, load
from builder.structure.detection import detect
from builder.structure.languages import READERS, Facts, reader
from builder.structure.order import order
from builder.structure.scanning import scan_all
from builder.structure.types import Blueprint, Dependency


def analyze(repository: Repository | str | Path, workers: int = 1) -> Blueprint:
    """Languages, dependencies, outlines and order of a repository, or of what :func:`load` reads at a path.

    Nothing of it is run. Equal repositories give equal blueprints, whatever the number of ``workers``:
    processes that read the sources of a large repository; a small one is read in this process.
    """
    if workers < 1:
        raise UserError(f"workers must be at least 1, not {workers}")
    if not isinstance(repository, Repository):
        repository = load(repository)
    languages = {file.path: detect(file.path, file.content) for file in repository.files}
    read = [file for file in repository.files if languages[file.path] in READERS]
    modules = [READERS[languages[file.path]] for file in read]
    scanned = scan_all([(module, file.content) for module, file in zip(modules, read, strict=True)], workers)
    facts: dict[str, dict[str, Facts]] = {}
    for module, file, found in zip(modules, read, scanned, strict=True):
        facts.setdefault(module, {})[file.path] = found or Facts()
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
        unparsed=tuple(file.path for file, found in zip(read, scanned, strict=True) if found is None),
    )
