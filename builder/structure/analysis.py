"""From a repository to its blueprint."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from builder.errors import UserError
from builder.repository import Repository, SkippedFile, load
from builder.structure.detection import detect
from builder.structure.languages import READERS, Facts, Links, reader
from builder.structure.order import order
from builder.structure.scanning import scan_all
from builder.structure.types import Blueprint

Link = Callable[[Mapping[str, Facts], Repository], Links]


def analyze(
    repository: Repository | str | Path, workers: int = 1, languages: Collection[str] = ()
) -> Blueprint:
    """Languages, dependencies, outlines and order of a repository, or of what :func:`load` reads at a path.

    Nothing of it is run. Equal repositories give equal blueprints, whatever the number of ``workers``:
    processes that read the sources of a large repository; a small one is read in this process. With
    ``languages`` (linguist's names, in any case) only files in those stay: :class:`UserError` if none does.
    """
    if workers < 1:
        raise UserError(f"workers must be at least 1, not {workers}")
    if not isinstance(repository, Repository):
        repository = load(repository)
    language = {file.path: detect(file.path, file.content) for file in repository.files}
    if languages:
        repository = _only(repository, language, {name.casefold() for name in languages})
        language = {file.path: language[file.path] for file in repository.files}
    read = [file for file in repository.files if language[file.path] in READERS]
    modules = [READERS[language[file.path]] for file in read]
    scanned = scan_all([(module, file.content) for module, file in zip(modules, read, strict=True)], workers)
    known = {file.path: found or Facts() for file, found in zip(read, scanned, strict=True)}
    # Languages that share a `link` import from one another, so their files go to it together.
    together: dict[Link, dict[str, Facts]] = {}
    for module, path in zip(modules, known, strict=True):
        together.setdefault(reader(module).link, {})[path] = known[path]
    links = [link(facts, repository) for link, facts in together.items()]
    dependencies = {edge for found in links for edge in found.dependencies}
    return Blueprint(
        repository=repository,
        languages=language,
        dependencies=tuple(sorted(dependencies)),
        outlines={path: known[path].outline for path in sorted(known)},
        header_lines={path: known[path].header_lines for path in sorted(known)},
        order=order(language, dependencies),
        external=tuple(sorted({name for found in links for name in found.external})),
        unresolved=tuple(sorted({name for found in links for name in found.unresolved})),
        unparsed=tuple(file.path for file, found in zip(read, scanned, strict=True) if found is None),
    )


def _only(repository: Repository, language: Mapping[str, str], wanted: Collection[str]) -> Repository:
    kept = tuple(file for file in repository.files if language[file.path].casefold() in wanted)
    if not kept:
        there = ", ".join(sorted({name for name in language.values() if name})) or "none that is known"
        raise UserError(f"{repository.identity}: no files in that language; there are: {there}")
    left = (file.path for file in repository.files if language[file.path].casefold() not in wanted)
    skipped = (*repository.skipped, *(SkippedFile(path, "another language") for path in left))
    return replace(repository, files=kept, skipped=tuple(sorted(skipped, key=lambda file: file.path)))
