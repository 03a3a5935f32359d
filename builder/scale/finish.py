"""The end of a build: what was left out, what was used, how to build it again, and the card."""

from __future__ import annotations

import json
import tempfile
from itertools import chain
from pathlib import Path

from builder.hub import write_card
from builder.rows import USAGE, RowWriter
from builder.scale.job import Job, row_options
from builder.scale.progress import ledger_lines


def finish(job: Job) -> None:
    """Write all that stands beside the shards that are done. Done again, it writes the same."""
    name = "data/left-out/train-00000-of-00001.parquet"
    rows = (
        {key: getattr(record, key) for key in ("repository", "revision", "license", "reason", "detail")}
        for record in job.left_out()
    )
    first = next(rows, None)
    if first is None:  # `datasets` cannot read an empty split
        job.place.remove(name)
    else:
        with job.place.new_file(name) as path, RowWriter(path, "left-out") as writer:
            for row in chain([first], rows):
                writer.add(row)
    write_usage(job)
    job.place.write("build.yaml", _recipe(job))
    _write_card(job)


def write_usage(job: Job) -> None:
    """Write ``usage.jsonl``: what each process of this build asked of its models, one line each."""
    lines = ledger_lines(job.place)
    if lines:
        job.place.write(USAGE, "".join(json.dumps(line) + "\n" for line in lines))


def _recipe(job: Job) -> str:
    """The options that make these rows, as a file for ``repo2agent build --config``."""
    import yaml

    options = json.loads(json.dumps(row_options(job.config)))
    return yaml.safe_dump(_without_paths(options), sort_keys=False)


def _without_paths(value: object) -> object:
    """``value`` with the places of files on this machine cut to their names."""
    if isinstance(value, dict):
        return {key: _without_paths(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_paths(part) for part in value]
    if isinstance(value, str) and (value.startswith(("/", "./", "../", "~"))):
        return value.rstrip("/").rpartition("/")[2]
    return value


def _write_card(job: Job) -> None:
    if job.place.local is not None:
        write_card(job.place.local)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        job.place.copy_to(copy, "data", "build.yaml")
        write_card(copy)
        for path in copy.rglob("*"):
            name = path.relative_to(copy).as_posix()
            if path.is_file() and not name.startswith("data/"):
                job.place.write(name, path.read_bytes())
