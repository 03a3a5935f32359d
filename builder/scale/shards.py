"""Finished repositories wait in a spool; once a shard has all of its own, they become parquet files."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from builder.pipeline import Reconstruction
from builder.rows import FEATURES, SPLITS, RowWriter, features_of, split_of
from builder.scale.job import Job
from builder.selection import Record

_SPOOL = ".build/spool"
_SUMMED = ("num_files", "num_raw_tokens", "num_tokens")


def spooled(job: Job, shard: int) -> set[int]:
    """The places in ``shard`` of the repositories that are finished."""
    return {int(name.partition(".")[0]) for name in job.place.names(f"{_SPOOL}/{shard:05}")}


def spool(job: Job, shard: int, number: int, record: Record, result: Reconstruction) -> None:
    """Keep what came of the ``number``-th repository of ``shard``."""
    rows = {config: result.of(config) for config in job.wanted}
    _write(job, shard, number, {"identity": record.repository, "rows": rows})


def spool_left_out(job: Job, shard: int, number: int, record: Record) -> None:
    """Keep that the ``number``-th repository of ``shard`` has no rows after all; its record says why."""
    _write(job, shard, number, {"left_out": asdict(record)})


def close(job: Job, shard: int) -> None:
    """Write the parquet files of ``shard``, in the order of its repositories.

    One repository is in memory at a time, and what a writer holds back. Killed in the midst and done again,
    the same files come out.
    """
    rows: dict[str, dict[str, int]] = {}
    sums: Counter[str] = Counter()
    left_out = []
    with ExitStack() as files:
        writers: dict[tuple[str, str], RowWriter] = {}
        for found in _spool(job, shard):
            if "left_out" in found:
                left_out.append(found["left_out"])
                continue
            split = split_of(found["identity"], job.config.validation, job.config.test)
            for config, new in found["rows"].items():
                if new and (config, split) not in writers:
                    name = job.file_name(config, split, shard)
                    path = files.enter_context(job.place.new_file(name))
                    writers[config, split] = files.enter_context(RowWriter(path, config))
                for row in new:
                    writers[config, split].add(row)
                    rows.setdefault(config, dict.fromkeys(SPLITS, 0))[split] += 1
            main: dict[str, Any] = next(
                (rows[0] for config, rows in found["rows"].items() if features_of(config) is FEATURES), {}
            )
            sums.update({"num_repositories": 1, **{name: main.get(name, 0) for name in _SUMMED}})
    outcome = {"rows": rows, "sums": dict(sums), "left_out": left_out}
    job.place.write(f".build/done/{shard:05}.json", json.dumps(outcome))
    job.place.remove(f"{_SPOOL}/{shard:05}")


def _write(job: Job, shard: int, number: int, found: dict[str, Any]) -> None:
    data = gzip.compress(json.dumps(found).encode(), compresslevel=1, mtime=0)
    job.place.write(f"{_SPOOL}/{shard:05}/{number:07}.json.gz", data)


def _spool(job: Job, shard: int) -> Iterator[dict[str, Any]]:
    for name in job.place.names(f"{_SPOOL}/{shard:05}"):
        yield json.loads(gzip.decompress(job.place.read(f"{_SPOOL}/{shard:05}/{name}")))
