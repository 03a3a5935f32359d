"""One source: read, held against the options, and put down in a record."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from builder.errors import FatalError, UserError
from builder.repository import Repository, SkippedFile, SourceFile, identify, is_fetched, load, shown
from builder.selection.contamination import Benchmarks
from builder.selection.licenses import ANY, PERMISSIVE, Allowed
from builder.selection.options import SelectOptions
from builder.selection.optout import OptOut
from builder.selection.record import Record
from builder.selection.sketch import sketch
from builder.structure import STRUCTURED, detect, is_code

_OF_BENCHMARK = "benchmark "  # how the reason of a contaminated file begins


def survey(source: str, options: SelectOptions, cache: Path | None = None) -> Record:
    """What is to be known of ``source`` to choose by; ``reason`` says why it is left out.

    Raises nothing for what a repository is: only where the options are wrong, or nothing could be read at all
    (a full disk).
    """
    rules = _rules(options)
    record = Record(source)
    try:
        record = replace(record, repository=identify(source))
        if rules.opt_out.lists(record.repository):
            return replace(record, reason="opt-out", detail="on the list of those to leave out")
        repository = load(source, cache=cache)
        fetched = is_fetched(source)
    except FatalError:
        raise
    except UserError as error:
        return replace(record, reason="unreadable", detail=_without_path(str(error), source))
    selected, reason, detail = rules.apply(repository, fetched)
    return _describe(replace(record, reason=reason, detail=detail), repository, selected)


def read(source: str, options: SelectOptions, cache: Path | None = None) -> Repository:
    """The repository at ``source`` with the files that ``options`` leave in it.

    ``UserError`` where it cannot be read or is left out as a whole.
    """
    rules = _rules(options)
    if rules.opt_out.lists(identify(source)):
        raise UserError(f"{shown(source)}: left out (opt-out): on the list of those to leave out")
    selected, reason, detail = rules.apply(load(source, cache=cache), is_fetched(source))
    if reason:
        raise UserError(f"{shown(source)}: left out ({reason}): {detail}")
    return selected


class _Rules:
    """The options made ready: lists read, names looked up."""

    def __init__(self, options: SelectOptions) -> None:
        self.options = options
        self.opt_out = OptOut(options.opt_out)
        self.benchmarks = Benchmarks(options.benchmarks)
        names = options.licenses
        self._allowed = Allowed([PERMISSIVE] if names is None else [name for name in names if name != ANY])
        self._all_checked = names is not None
        self._checked = names is None or ANY not in names

    def apply(self, repository: Repository, fetched: bool) -> tuple[Repository, str, str]:
        """What stays of ``repository``, and the reason and words where it is left out as a whole."""
        by_license = self._checked and (fetched or self._all_checked)
        if by_license and not self._allowed.permits(repository.license):
            words = f"{repository.license} is not allowed" if repository.license else "none found"
            return repository, "license", words
        kept: list[SourceFile] = []
        dropped: list[SkippedFile] = []
        for file in repository.files:
            if by_license and file.license and not self._allowed.permits(file.license):
                dropped.append(SkippedFile(file.path, f"license {file.license}"))
            elif task := self.benchmarks.find(file.content):
                dropped.append(SkippedFile(file.path, _OF_BENCHMARK + task))
            else:
                kept.append(file)
        selected = repository
        if dropped:
            skipped = tuple(sorted((*repository.skipped, *dropped), key=lambda file: file.path))
            selected = replace(repository, files=tuple(kept), skipped=skipped)
        return selected, *self._verdict(repository, selected, dropped)

    def _verdict(
        self, repository: Repository, selected: Repository, dropped: list[SkippedFile]
    ) -> tuple[str, str]:
        had_code = any(map(_is_own_code, repository.files))
        if dropped and not (any(map(_is_own_code, selected.files)) if had_code else selected.files):
            reason = "benchmark" if dropped[0].reason.startswith(_OF_BENCHMARK) else "license"
            left = "no code" if had_code else "nothing"
            return reason, f"{left} is left without {_count(len(dropped), 'file')} ({dropped[0].reason})"
        options = self.options
        num_files, num_bytes = len(selected.files), sum(file.num_bytes for file in selected.files)
        for what, number, least, most in (
            ("file", num_files, options.min_files, options.max_files),
            ("byte", num_bytes, options.min_bytes, options.max_bytes),
        ):
            if not least <= number <= most:
                bound = f"fewer than {least}" if number < least else f"more than {most}"
                return "size", f"{_count(number, what)}, {bound}"
        if options.languages:
            code = {name: size for name, size in _languages(selected).items() if is_code(name)}
            wanted = sum(code.get(name, 0) for name in set(options.languages))
            if 2 * wanted <= sum(code.values()) or not code:
                return "language", f"mostly {max(code, key=lambda name: code[name])}" if code else "no code"
        return "", ""


@lru_cache(maxsize=8)
def _rules(options: SelectOptions) -> _Rules:
    return _Rules(options)


def _describe(record: Record, repository: Repository, selected: Repository) -> Record:
    files = selected.files
    code = [file for file in files if detect(file.path, file.content) in STRUCTURED]
    return replace(
        record,
        repository=repository.identity,
        revision=repository.revision,
        license=repository.license,
        num_files=len(files),
        num_bytes=sum(file.num_bytes for file in files),
        num_code_files=len(code),
        num_code_bytes=sum(file.num_bytes for file in code),
        languages=_languages(selected),
        num_contaminated=sum(file.reason.startswith(_OF_BENCHMARK) for file in selected.skipped),
        digest=_digest(selected),
        sketch=sketch(file for file in code if not file.boilerplate),
    )


def _languages(repository: Repository) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for file in repository.files:
        if name := detect(file.path, file.content):
            sizes[name] += file.num_bytes
    return dict(sorted(sizes.items()))


def _digest(repository: Repository) -> str:
    """Of the contents whatever their paths, without what stands in many repositories."""
    contents = sorted(file.sha256 for file in repository.files if not file.boilerplate)
    return hashlib.sha256("\n".join(contents).encode()).hexdigest()[:32] if contents else ""


def _is_own_code(file: SourceFile) -> bool:
    return not file.boilerplate and is_code(detect(file.path, file.content))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def _without_path(message: str, source: str) -> str:
    """Why a source cannot be read, without where it lies."""
    for name in (shown(source), source):
        message = (
            message.removeprefix(f"{name}: ").replace(str(Path(name).absolute()), "…").replace(name, "…")
        )
    return message
