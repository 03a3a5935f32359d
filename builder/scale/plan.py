"""Before spending: what a build would come to, from a few repositories gone through without a model.

All sources are surveyed as for a build. Of those that stay some are drawn, and put through the true pipeline
with models that only count (``dry.py``); what they ask for is expanded to all (``estimate.py``).
"""

from __future__ import annotations

import contextlib
import json
import logging
import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from builder.config import BuildConfig, PlanOptions, PriceOptions
from builder.errors import UserError
from builder.pipeline import Reconstruction
from builder.repository import expand
from builder.rows import FEATURES, RowWriter, features_of
from builder.scale.dry import DryModels, Need, dry_models
from builder.scale.estimate import Estimate, Sample, draw, estimate
from builder.scale.forecast import Forecast
from builder.scale.job import Job
from builder.scale.local import alone, prepare, run
from builder.scale.reader import Reader, Unreadable
from builder.selection import Record

logger = logging.getLogger(__name__)
_COUNTERS = tuple(entry.name for entry in fields(Need))


@dataclass(frozen=True)
class _Rehearsed:
    """What came of one repository: calls and tokens by purpose, bytes by config, tokens of its row."""

    needs: dict[str, Need] = field(default_factory=dict)
    disk: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)

    def need(self, purpose: str, counter: str) -> float:
        """``counter`` of the calls for ``purpose``, or of all for ``""``."""
        needs = self.needs.values() if not purpose else filter(None, [self.needs.get(purpose)])
        return sum(getattr(need, counter) for need in needs)


def plan(
    sources: Sequence[str], config: BuildConfig, options: PlanOptions, output: str | Path | None = None
) -> Forecast:
    """Estimate the build of ``sources`` with ``config``. Asks no model for anything.

    A build into ``output`` goes on with the survey that is made here, unless that is one of a part of the
    sources. Raises ``UserError``.
    """
    num_sources = None
    if options.survey is not None:
        sources, num_sources = _some(expand(sources), options.survey, config.seed)
        output = None
    with contextlib.nullcontext(output) if output else tempfile.TemporaryDirectory() as folder:
        job = Job(folder, config)
        with alone(job):
            prepare(job, sources)
            records = [record for shard in range(job.totals()["num_shards"]) for record in job.chosen(shard)]
            reasons = Counter(record.reason for record in job.not_chosen())
        sample = draw(sizes(records), options.sample, config.seed)
        rehearsals = _Rehearsals(config, job.wanted, options.answer_share)
        run(rehearsals.of([records[place] for place in sample.places]))
    num_surveyed = len(records) + reasons.total()
    estimates = _Estimates(records, sample, rehearsals.found, (num_surveyed, num_sources or num_surveyed))
    return estimates.forecast(reasons, config.prices, options, rehearsals.notes)


def sizes(records: Sequence[Record]) -> Any:
    """How likely each repository is to be drawn, beside the others."""
    import numpy as np

    files, whole = num_files(records), np.array([float(record.num_bytes) for record in records])
    # The thoughts are about code files, and the rows hold every byte. Nothing is too small to be drawn.
    return files / files.sum() + whole / max(1.0, whole.sum()) / 4 + 0.25 / len(records)


def num_files(records: Sequence[Record]) -> Any:
    """The column that calls and their tokens go with: code files, and one for what each repository needs."""
    import numpy as np

    return np.array([record.num_code_files + 1.0 for record in records])


def num_bytes(records: Sequence[Record]) -> Any:
    """The column that rows go with: the files' bytes, and about a thousand of words on each with code."""
    import numpy as np

    return np.array([record.num_bytes for record in records]) + 1000.0 * num_files(records)


def _some(sources: Iterable[str], number: int, seed: int) -> tuple[list[str], int]:
    """``number`` of ``sources`` at random, in their order, and how many there are; one pass."""
    dice = random.Random(seed)
    kept: list[tuple[int, str]] = []
    count = 0
    for count, source in enumerate(sources, 1):
        if len(kept) < number:
            kept.append((count, source))
        elif (place := dice.randrange(count)) < number:
            kept[place] = (count, source)
    return [source for _, source in sorted(kept)], count


class _Rehearsals:
    """Repositories gone through one after another. ``found`` has what came of each."""

    def __init__(self, config: BuildConfig, wanted: Sequence[str], answer_share: float) -> None:
        self._config, self._wanted, self._answer_share = config, wanted, answer_share
        self.found: list[_Rehearsed] = []
        self.notes: list[str] = []

    async def of(self, records: Sequence[Record]) -> None:
        models = await dry_models(self._config, self._answer_share)
        self.notes += models.notes
        with tempfile.TemporaryDirectory() as folder, tqdm(desc="rehearsed", total=len(records)) as bar:
            with contextlib.ExitStack() as files:
                paths = {config: Path(folder) / config for config in self._wanted}
                writers = {
                    config: files.enter_context(RowWriter(path, config)) for config, path in paths.items()
                }
                async with Reader() as reader:
                    for record in records:
                        self.found.append(await self._one(record, reader, models, writers))
                        bar.update()
            self._compress({config: path.stat().st_size for config, path in paths.items() if path.exists()})

    async def _one(
        self, record: Record, reader: Reader, models: DryModels, writers: dict[str, RowWriter]
    ) -> _Rehearsed:
        try:
            blueprint = await reader.read(record.source, self._config.select)
            result, needs = await models.rehearse(blueprint, self._config, self._wanted)
        except Unreadable as error:
            self.notes.append(f"of the sample, one would be left out: {error}")
            return _Rehearsed()
        except UserError:
            raise
        except Exception as error:  # a build leaves out what finds a fault of ours, too
            logger.exception("left out: %s", record.repository)
            self.notes.append(
                f"of the sample, one would fail: {record.source}: {type(error).__name__}: {error}"
            )
            return _Rehearsed()
        disk = {}
        for config, writer in writers.items():
            disk[config] = 0.0
            for row in result.of(config):
                writer.add(row)
                disk[config] += len(json.dumps(row))
        return _Rehearsed(needs, disk, _tokens(result, self._wanted))

    def _compress(self, written: dict[str, int]) -> None:
        """Make bytes of JSON those of parquet: each repository has its share of what was written."""
        for config, size in written.items():
            total = sum(one.disk.get(config, 0.0) for one in self.found)
            for one in self.found:
                if one.disk.get(config):
                    one.disk[config] *= size / total


def _tokens(result: Reconstruction, wanted: Sequence[str]) -> dict[str, int]:
    """The tokens of the row that counts for the repository: that of the first config with whole rows."""
    main = next((name for name in wanted if features_of(name) is FEATURES), None)
    if main is None:
        return {}
    row = result.rows[main]
    return {"as plain code": row["num_raw_tokens"], f"as {main}": row["num_tokens"]}


@dataclass(frozen=True)
class _Estimates:
    """What a sample says; ``of`` are the sources that were looked at and those that there are."""

    records: Sequence[Record]
    sample: Sample
    found: Sequence[_Rehearsed]
    of: tuple[int, int]

    def forecast(
        self, reasons: Counter[str], prices: PriceOptions, options: PlanOptions, notes: Sequence[str]
    ) -> Forecast:
        purposes = list(dict.fromkeys(purpose for one in self.found for purpose in one.needs))
        by_calls, by_bytes = num_files(self.records), num_bytes(self.records)
        rates, speeds = vars(prices), vars(options.throughput)
        spent = {"prompt": "prompt_tokens", "generated": "generated_tokens", "scored": "scored_tokens"}

        def weighed(weights: dict[str, float]) -> Estimate:
            return self._of(
                [
                    sum(one.need("", spent[name]) * weight for name, weight in weights.items())
                    for one in self.found
                ],
                by_calls,
            )

        used = [name for name, counter in spent.items() if any(one.need("", counter) for one in self.found)]
        timed = all(speeds[name] for name in used)
        return Forecast(
            num_sources=self.of[1],
            num_surveyed=self.of[0],
            num_sampled=len(self.found),
            left_out={reason: self._known([1] * number) for reason, number in sorted(reasons.items())},
            chosen={
                "repositories": self._known([1] * len(self.records)),
                **{
                    name: self._known([getattr(record, name) for record in self.records])
                    for name in ("num_files", "num_bytes", "num_code_files", "num_code_bytes")
                },
            },
            needs={purpose: self._need(purpose, by_calls) for purpose in [*purposes, ""]},
            tokens={
                name: self._of([one.tokens.get(name, 0) for one in self.found], by_bytes)
                for name in dict.fromkeys(name for one in self.found for name in one.tokens)
            },
            disk={
                name: self._of([one.disk.get(name, 0.0) for one in self.found], by_bytes)
                for name in [*dict.fromkeys(name for one in self.found for name in one.disk)]
            },
            gpu_hours=weighed({name: 1 / 3600 / speeds[name] for name in used}) if timed else None,
            cost=weighed({name: rate / 1e6 for name, rate in rates.items()}) if any(rates.values()) else None,
            missing=tuple(name for name in used if not speeds[name]),
            assumptions=(
                f"an answer uses {options.answer_share:.0%} of what its call allows (--answer_share)",
                "no call fails, no rewrite is refused or taken; drafts are as bad as drafts can be",
                *(["as many copies among all as among these"] if self.of[0] < self.of[1] else []),
                *notes,
            ),
        )

    def _need(self, purpose: str, by_calls: Sequence[float]) -> dict[str, Estimate]:
        # What each repository asks once goes with their number, however large they are.
        once = all(one.need(purpose, "calls") == 1 for one in self.found)
        known = [1.0] * len(self.records) if once else by_calls
        return {
            counter: self._of([one.need(purpose, counter) for one in self.found], known)
            for counter in _COUNTERS
        }

    def _of(self, values: Sequence[float], known: Sequence[float]) -> Estimate:
        return estimate(self.sample, values, known, self.of)

    def _known(self, values: Sequence[float]) -> Estimate:
        """The total of what is known of all that were looked at."""
        everything = Sample(tuple(range(len(values))), (1.0,) * len(values))
        return estimate(everything, values, values, self.of)
