"""Lists of sources: JSONL, CSV or parquet with a column ``source``, in any of the forms, mixed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import count
from typing import IO, Any

from builder.errors import UserError
from builder.repository.tables import column

COLUMN = "source"
SUFFIXES = (".jsonl", ".ndjson", ".csv", ".parquet")
_MAX_LINE = 1_000_000  # characters
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")


def listed(path: str) -> Iterator[tuple[str, str]]:
    """Each source in the manifest at ``path`` with where it stands; read as it is asked for.

    Relative paths are relative to the manifest. ``UserError`` names the line that does not fit.
    """
    for where, source in _values(path):
        if not isinstance(source, str) or not source.strip():
            raise UserError(f"{where}: no {COLUMN!r} in it; each row of a manifest names one")
        yield where, _beside(path, source.strip())


def _values(path: str) -> Iterator[tuple[str, Any]]:
    if path.lower().endswith(".parquet"):
        for number, value in enumerate(column(path, COLUMN)):
            yield f"{path}: row {number}", value
        return
    import fsspec

    try:
        with fsspec.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            read = _csv if path.lower().endswith(".csv") else _jsonl
            for number, value in read(file):
                yield f"{path}: line {number}", value
    except UserError:
        raise
    except (OSError, ValueError, csv.Error, ImportError) as error:
        raise UserError(f"{path}: not a manifest that can be read ({' '.join(str(error).split())})") from None


def _jsonl(file: IO[str]) -> Iterator[tuple[int, Any]]:
    for number in count(1):
        line = file.readline(_MAX_LINE + 1)
        if not line:
            return
        if len(line) > _MAX_LINE:
            raise ValueError(f"line {number} has more than {_MAX_LINE} characters")
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise ValueError(f"line {number} is no JSON") from None
            yield number, row.get(COLUMN) if isinstance(row, dict) else None


def _csv(file: IO[str]) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(file)
    if COLUMN not in (reader.fieldnames or ()):
        raise ValueError(f"its first line names no column {COLUMN!r}")
    for row in reader:
        yield reader.line_num, row[COLUMN]


def _beside(manifest: str, source: str) -> str:
    """``source`` as seen from where the manifest is read."""
    folder = manifest.rpartition("/")[0]
    if not folder or source.startswith(("/", "~")) or _SCHEME.match(source):
        return source
    if source.startswith("rows+"):
        return source  # written by a program, for where it ran
    return f"{folder}/{source}"
