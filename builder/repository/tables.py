"""Parquet files at any fsspec path: what columns they have, and rows of them with flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from builder.errors import UserError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_BATCH = 1_000  # rows of short columns
_BATCH_OF_FILES = 16  # rows with whole files in them


@contextmanager
def table(path: str) -> Iterator[ParquetFile]:
    """The parquet file at ``path``, opened; ``UserError`` where it cannot be read, then or later."""
    import fsspec
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        # Without buffering ahead: a row group may hold more than memory does.
        with (
            fsspec.open(path, "rb") as file,
            ParquetFile(file, pre_buffer=False, buffer_size=1 << 20) as opened,
        ):
            yield opened
    except UserError:
        raise
    except (OSError, ArrowException, ImportError, ValueError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"{path}: not a parquet file that can be read ({reason})") from None


def column(path: str, name: str) -> Iterator[Any]:
    """The values of one column, in order; nothing else is read."""
    with table(path) as opened:
        for batch in opened.iter_batches(_BATCH, columns=[name]):
            yield from batch.column(0).to_pylist()


def rows(path: str, columns: tuple[str, ...], first: int, last: int) -> Iterator[dict[str, Any]]:
    """The rows from ``first`` to ``last``, both included, with those of ``columns`` that there are.

    Reads only the row groups that hold them. ``UserError`` where the table is shorter.
    """
    with table(path) as opened:
        metadata = opened.metadata
        if last >= metadata.num_rows:
            raise UserError(
                f"{path}: has {metadata.num_rows} rows, not {last + 1}; it has changed: list it anew"
            )
        present = [name for name in columns if name in opened.schema_arrow.names]
        start = 0
        for group in range(metadata.num_row_groups):
            end = start + metadata.row_group(group).num_rows
            if start <= last and first < end:
                at = start
                for batch in opened.iter_batches(_BATCH_OF_FILES, row_groups=[group], columns=present):
                    low, high = max(first - at, 0), min(last + 1 - at, batch.num_rows)
                    if low < high:
                        yield from batch.slice(low, high - low).to_pylist()
                    at += batch.num_rows
                    if at > last:
                        break
            start = end
