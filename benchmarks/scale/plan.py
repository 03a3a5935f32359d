"""What `repo2agent plan` promises of 200 real packages, held against all of them gone through.

    python benchmarks/scale/plan.py [--measure] [--sample 20] [--resamples 300]

`--measure` reads the packages (downloads them once) and goes through each without a model, with the embedded
model's tokenizer and the options as they stand: a good half hour on two cores. It writes `needs.csv`, from
which the rest is computed: how wide the intervals of samples are, and how often they hold the true total,
beside those of a simple random sample with the same estimator.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import statistics
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from random import Random

from tqdm import tqdm

from builder.config import BuildConfig, PlanOptions
from builder.scale import (
    Estimate,
    Job,
    Need,
    Sample,
    draw,
    dry_models,
    estimate,
    num_bytes,
    num_files,
    prepare,
    sizes,
)
from builder.scale.reader import Reader
from builder.selection import Record

MANIFEST = Path(__file__).with_name("packages.jsonl")
TABLE = Path(__file__).with_name("needs.csv")
KNOWN = ("num_files", "num_bytes", "num_code_files", "num_code_bytes")
COUNTERS = tuple(entry.name for entry in fields(Need))


def main() -> None:
    """Measure where that is asked for, and print a line for each quantity and way to draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--measure", action="store_true", help="go through all packages and write needs.csv")
    parser.add_argument("--sample", type=int, default=20, help="repositories in a sample")
    parser.add_argument("--resamples", type=int, default=300, help="samples")
    options = parser.parse_args()
    if options.measure:
        asyncio.run(measure())
    records, truth = read()
    print(f"{len(records)} packages, {options.resamples} samples of {options.sample}; widths are half-widths")
    print(f"{'':10} {'':17} {'median':>8} {'widest':>8} {'off (sd)':>9} {'covered':>8}")
    for way in ("plan", "uniform"):
        samples = [drawn(way, records, options.sample, seed) for seed in range(options.resamples)]
        for name, values in truth.items():
            total = sum(values)
            found = [estimated(sample, name, records, values) for sample in samples]
            widths = [one.relative for one in found]
            off = statistics.stdev(one.total / total for one in found)
            covered = sum(one.covers(total) for one in found) / len(found)
            print(
                f"{way:10} {name:17} {statistics.median(widths):8.1%} {max(widths):8.1%} {off:9.1%} "
                f"{covered:8.1%}"
            )


def read() -> tuple[list[Record], dict[str, list[float]]]:
    """The packages as the survey describes them, and what each comes to."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    records = [Record(line["source"], **{name: int(line[name]) for name in KNOWN}) for line in lines]
    return records, {name: [float(line[name]) for line in lines] for name in (*COUNTERS, "row_bytes")}


def drawn(way: str, records: list[Record], number: int, seed: int) -> Sample:
    """A sample as ``plan`` draws it, or one in which all are alike."""
    if way == "plan":
        return draw(sizes(records), number, seed)
    places = sorted(Random(seed).sample(range(len(records)), number))
    return Sample(tuple(places), (number / len(records),) * number)


def estimated(sample: Sample, name: str, records: list[Record], values: list[float]) -> Estimate:
    """The total of a quantity as ``plan`` estimates it."""
    known = num_bytes(records) if name == "row_bytes" else num_files(records)
    return estimate(sample, [values[place] for place in sample.places], known)


async def measure() -> None:
    config = BuildConfig()
    with tempfile.TemporaryDirectory() as folder:
        job = Job(folder, config)
        # A thread: there is a loop here, and `prepare` runs one of its own.
        await asyncio.to_thread(prepare, job, [str(MANIFEST)])
        records = [record for shard in range(job.totals()["num_shards"]) for record in job.chosen(shard)]
        models = await dry_models(config, PlanOptions().answer_share)
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, ("source", *KNOWN, *COUNTERS, "row_bytes"), lineterminator="\n")
            table.writeheader()
            async with Reader() as reader:
                for record in tqdm(records, desc="packages"):
                    blueprint = await reader.read(record.source, config.select)
                    result, needs = await models.rehearse(blueprint, config, job.wanted)
                    rows = [row for name in job.wanted for row in result.of(name)]
                    table.writerow(
                        {
                            "source": record.source.partition("?")[0],
                            **{name: getattr(record, name) for name in KNOWN},
                            **{name: sum(asdict(need)[name] for need in needs.values()) for name in COUNTERS},
                            "row_bytes": sum(len(json.dumps(row)) for row in rows),
                        }
                    )


if __name__ == "__main__":
    main()
