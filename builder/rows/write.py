"""A built dataset as a folder of parquet files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.errors import UserError
from builder.rows.features import FEATURES, LEFT_OUT_FEATURES, LOG_FEATURES
from builder.rows.messages import MESSAGES_FEATURES
from builder.rows.splits import SPLITS

# Of those that are built unless others are asked for, the first is the default.
DEFAULT_CONFIGS = ("repo2agent-search", "repo2agent", "raw-repos", "spec-only", "messages", "search-log")
# What can be asked for: each is made of every repository.
BUILDABLE_CONFIGS = (
    *DEFAULT_CONFIGS,
    "repo2agent-random",
    "repo2agent-debug",
    "repo2agent-search-debug",
)
LEFT_OUT = "left-out"  # of the repositories of which nothing was made; comes by itself
# All that a folder may hold.
CONFIGS = (*DEFAULT_CONFIGS, LEFT_OUT, *BUILDABLE_CONFIGS[len(DEFAULT_CONFIGS) :])

USAGE = "usage.jsonl"

Tables = Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]  # config -> split -> rows


def features_of(config: str):
    """The schema of one of ``CONFIGS``."""
    others = {"search-log": LOG_FEATURES, "messages": MESSAGES_FEATURES, LEFT_OUT: LEFT_OUT_FEATURES}
    return others.get(config, FEATURES)


def write_dataset(output: Path, tables: Tables) -> list[Path]:
    """Write ``tables`` under ``output``; each file appears whole or not at all.

    Splits without rows are left out (``datasets`` cannot read an empty one), and files that an earlier
    build left for a split that is now empty are removed. Returns the parquet files.
    """
    written = []
    try:
        for config in CONFIGS:
            for split in SPLITS:
                path = output / "data" / config / f"{split}-00000-of-00001.parquet"
                rows = tables.get(config, {}).get(split, ())
                if not rows:
                    path.unlink(missing_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_suffix(".partial")
                with RowWriter(partial, config) as writer:
                    for row in rows:
                        writer.add(row)
                partial.replace(path)
                written.append(path)
    except OSError as error:
        raise UserError(
            f"{output}: cannot write the dataset ({error.strerror or error}); free some space or choose "
            "another output, then build again: every answer so far is kept in the store"
        ) from None
    return written


class RowWriter:
    """Writes rows of ``config`` to one parquet file as they come, holding back a few; used as a context."""

    _MAX_ROWS = 100  # in a row group: what a reader has to take at once
    _MAX_CHARS = 16_000_000

    def __init__(self, path: Path, config: str) -> None:
        self._path, self._features = path, features_of(config)
        self._file: Any = None
        self._rows: list[dict[str, Any]] = []
        self._chars = 0

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
        if self._file is not None:
            self._file.close()

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        self._chars += len(row.get("text") or "")
        if len(self._rows) == self._MAX_ROWS or self._chars > self._MAX_CHARS:
            self._flush()

    def _flush(self) -> None:
        from pyarrow import parquet

        if not self._rows:
            return
        table = _table(self._rows, self._features)
        if self._file is None:
            # As `datasets` writes: equal stretches of two uploads are found, and pages can be skipped.
            self._file = parquet.ParquetWriter(
                self._path, table.schema, use_content_defined_chunking=True, write_page_index=True
            )
        self._file.write_table(table)
        self._rows, self._chars = [], 0


def read_usage(folder: Path) -> list[dict[str, Any]]:
    """What the processes of a build asked of its models, a line each; broken lines are passed over."""
    path = folder / USAGE
    usage = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        with contextlib.suppress(ValueError):
            usage.append(json.loads(line))
    return usage


def _table(rows: Sequence[dict[str, Any]], features: Any) -> Any:
    """Rows as an Arrow table, encoded as ``datasets`` does it, which alone knows how JSON is stored."""
    from datasets import Dataset

    table = Dataset.from_list(list(rows), features=features).data.table
    return table.replace_schema_metadata(features.arrow_schema.metadata)


def read_rows(folder: Path, config: str) -> Iterator[dict[str, Any]]:
    """The rows of ``config`` in a built folder, split by split; ``UserError`` where there are none."""
    from pyarrow import parquet

    files = built_files(folder, config)
    if not files:
        raise UserError(
            f"{folder}: no rows of {config} in it; give a folder that `repo2agent build --output` wrote"
        )
    for path in files:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=16):
                yield from batch.to_pylist()


def built_files(folder: Path, config: str) -> list[Path]:
    """The parquet files of ``config`` in a built folder; a name begins with its split."""
    return sorted((folder / "data" / config).glob("*.parquet"))
