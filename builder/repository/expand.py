"""From what a user names to single repositories: globs, manifests and datasets become the names in them."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from builder.errors import UserError
from builder.repository.load import open_source
from builder.repository.manifest import COLUMN, SUFFIXES, listed
from builder.repository.rows import COLUMNS, PREFIX, Range, name_rows, repositories
from builder.repository.tables import table

_MAX_DEPTH = 5  # of manifests in manifests
_PREFIXES = ("pkg:", "git+", PREFIX)

# A name in the stream: a source as it is, or a repository of a dataset with some of its rows.
_Name = str | tuple[str, Range]


def expand(sources: Iterable[str | Path]) -> Iterator[str]:
    """Every source replaced by the sources of single repositories, in order, each once.

    What is expanded: globs (``projects/*.tar.gz``, sorted), manifests (JSONL, CSV or parquet with a column
    ``source``; relative paths are relative to it) and datasets of code (parquet with ``repo_name``, ``path``
    and ``content``, the rows of a repository together). Files are read as they are asked for, however long;
    of what was already named only a hash is kept.

    Raises :class:`UserError` at once where one of ``sources`` leads nowhere, later where a manifest's does.
    """
    found = [name for source in sources for name in _found(str(source))]
    return _once(_joined(name for source in found for name in _names(source, "", ())))


def _found(source: str) -> list[str]:
    """What is there under a name: itself, or what a glob finds. Nothing is read."""
    if source.startswith(_PREFIXES):
        open_source(source)  # its form is checked
        return [source]
    if "://" in source:
        return _remote(source)
    path = str(Path(source).expanduser()) if source.startswith("~") else source
    if Path(path).exists() or not glob.has_magic(path):
        if not (_is_list(path) and Path(path).is_file()):
            open_source(path)
        return [path]
    if found := sorted(glob.glob(path)):  # noqa: PTH207 - keeps the form, "./" and the slash at the end too
        return found
    raise UserError(f"{source}: no file or directory fits the pattern")


def _remote(source: str) -> list[str]:
    """A manifest or dataset at an fsspec URL, or those that a glob there finds."""
    from fsspec.core import url_to_fs

    if not _is_list(source):
        raise UserError(
            f"{source}: of what is remote, manifests and datasets are read ({', '.join(SUFFIXES)}); "
            "write git+https://… for a git repository"
        )
    try:
        system, path = url_to_fs(source)
        found = sorted(system.glob(path)) if glob.has_magic(path) else [path] if system.exists(path) else []
        found = [str(system.unstrip_protocol(path)) for path in found]
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"{source}: could not be looked up ({' '.join(str(error).split())})") from None
    if not found:
        raise UserError(f"{source}: no such file")
    return found


def _is_list(path: str) -> bool:
    return path.lower().endswith(SUFFIXES)


def _names(source: str, where: str, above: tuple[str, ...]) -> Iterator[_Name]:
    """The names that ``source`` stands for; ``where`` it stands in the manifests ``above``, if it does."""
    if source.startswith(_PREFIXES) or not _is_list(source) or Path(source).is_dir():
        yield source
    elif source in above or len(above) == _MAX_DEPTH:
        raise UserError(f"{where}: {source} lists itself, or is more than {_MAX_DEPTH} manifests deep")
    elif source.lower().endswith(".parquet") and _is_dataset(source):
        yield from repositories(source)
    else:
        for line, entry in listed(source):
            try:
                found = _found(entry)
            except UserError as error:
                raise UserError(f"{line}: {error}") from None
            for name in found:
                yield from _names(name, line, (*above, source))


def _is_dataset(path: str) -> bool:
    with table(path) as opened:
        columns = set(opened.schema_arrow.names)
    if columns.issuperset(COLUMNS):
        return True
    if COLUMN not in columns:
        raise UserError(
            f"{path}: neither a manifest (a column {COLUMN!r}) nor a dataset of code (columns "
            f"{', '.join(COLUMNS)}); it has {', '.join(sorted(columns)[:20])}"
        )
    return False


def _joined(names: Iterable[_Name]) -> Iterator[str]:
    """Rows of one repository that go on in the next file become one source."""
    current, ranges = "", list[Range]()
    for name in names:
        if not isinstance(name, str) and name[0] == current and ranges and name[1].path != ranges[-1].path:
            ranges.append(name[1])
            continue
        if ranges:
            yield name_rows(current, ranges)
        current, ranges = "", []
        if isinstance(name, str):
            yield name
            continue
        current, ranges = name[0], [name[1]]
    if ranges:
        yield name_rows(current, ranges)


def _once(names: Iterable[str]) -> Iterator[str]:
    seen: set[bytes] = set()
    for name in names:
        key = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=12).digest()
        if key not in seen:
            seen.add(key)
            yield name
