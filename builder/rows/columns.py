"""Reading no more of a built folder than is needed: some columns of many rows, a batch at a time."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from builder.rows.features import FEATURES
from builder.rows.write import CONFIGS, built_files, features_of

_LIST = re.compile(r"\.list\.(?:element|item)(?=\.|$)")  # how parquet names what is within a list
_BATCH = 64


def main_config(folder: Path) -> str | None:
    """The first config of a built folder that has one row a repository; None where there is none."""
    return next(
        (name for name in CONFIGS if features_of(name) is FEATURES and built_files(folder, name)), None
    )


def read_columns(files: Iterable[Path], columns: Collection[str]) -> Iterator[dict[str, Any]]:
    """Rows of parquet ``files`` with ``columns`` alone, which may lead into lists: ``files.language``.

    Keeps one batch of rows in memory. A column that a file does not have is passed over.
    """
    from pyarrow import parquet

    schema, wanted = None, []
    for path in files:
        with parquet.ParquetFile(path) as file:
            # Asked of the first of many alike: a file's footer stays in memory once its columns were named.
            if schema is None or not schema.equals(file.schema_arrow):
                schema = file.schema_arrow
                leaves = [file.schema.column(number).path for number in range(len(file.schema.names))]
                wanted = [leaf for leaf in leaves if _covered(_LIST.sub("", leaf), columns)]
            for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
                yield from batch.to_pylist()


def _covered(leaf: str, columns: Collection[str]) -> bool:
    parts = leaf.split(".")
    return any(".".join(parts[: number + 1]) in columns for number in range(len(parts)))
