"""What one process does: survey chunks of sources, and turn shards of repositories into rows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

from builder.errors import UserError
from builder.pipeline import (
    Calls,
    Models,
    model_name,
    open_models,
    reconstruct,
    side_by_side,
    store_path,
    usage_of,
)
from builder.scale import shards
from builder.scale.job import Job
from builder.scale.progress import EVERY, Ledger, Snapshot, check_budget, ledgers, total
from builder.scale.reader import Reader, Unreadable
from builder.search import Noise
from builder.selection import Record

T = TypeVar("T")
logger = logging.getLogger(__name__)


async def survey(job: Job, chunks: Iterable[int], on_record: Callable[[], object] = lambda: None) -> None:
    """Look at the sources of ``chunks``, one after another; ``on_record`` is told after each."""
    async with Reader() as reader:
        for chunk in chunks:
            records = []
            for source in job.sources(chunk):
                try:
                    records.append(await reader.survey(source, job.config.select))
                except Unreadable as error:
                    records.append(_left_out(Record(source=source), error))
                on_record()
            job.write_survey(chunk, records)


async def build_shards(job: Job, numbers: Iterable[int]) -> None:
    """Reconstruct the repositories of the shards ``numbers`` and write their rows.

    A number is taken when there is room for its repositories. What has been finished before is not done
    again. Raises ``BudgetReached`` once the budget is used up.
    """
    done = job.done()
    todo = (number for number in numbers if number not in done)
    first = next(todo, None)
    if first is None:
        return
    async with open_models(job.config, job.wanted) as models, Reader() as reader:
        worker = _Worker(job, _agreed(job, models), reader)
        await _first_of(worker.shards(chain([first], todo)), worker.keep_books())


class _Worker:
    def __init__(self, job: Job, models: Models, reader: Reader) -> None:
        self._job, self._models, self._reader = job, models, reader
        self._calls = Calls()
        self._snapshot, self._ledger = Snapshot(), Ledger(job.place)
        self._unfinished: dict[int, int] = {}  # repositories of each shard

    async def shards(self, numbers: Iterable[int]) -> None:
        await side_by_side(self._repositories(numbers), self._job.config.calls_at_once, self._one)
        self._note()

    def _repositories(self, numbers: Iterable[int]) -> Iterator[tuple[int, int, Record | None]]:
        """Shard, place in it and record of each repository that is to be done, the largest of a shard first.

        Whoever is left at the end works alone. A shard that only has to be closed comes without a record.
        """
        for shard in numbers:
            records = self._job.chosen(shard)
            finished = shards.spooled(self._job, shard)
            todo = [number for number in range(len(records)) if number not in finished]
            self._unfinished[shard] = len(todo)
            if not todo:
                yield shard, -1, None
            for number in sorted(todo, key=lambda number: -records[number].num_code_bytes):
                yield shard, number, records[number]

    async def _one(self, repository: tuple[int, int, Record | None]) -> None:
        shard, number, record = repository
        if record is not None:
            await self._reconstruct(shard, number, record)
            self._snapshot.repositories += 1
            self._unfinished[shard] -= 1
        if not self._unfinished[shard]:
            await asyncio.to_thread(shards.close, self._job, shard)

    async def _reconstruct(self, shard: int, number: int, record: Record) -> None:
        config = self._job.config
        try:
            blueprint = await self._reader.read(record.source, config.select)
            self._snapshot.begun_bytes += record.num_code_bytes
            result = await reconstruct(blueprint, self._models, config, self._job.wanted, self._calls)
        except Unreadable as error:
            left_out = _left_out(record, error)
        except UserError:
            raise  # of the models: no other repository would fare better
        except Exception as error:  # one of 300,000 may well find a fault of ours
            logger.exception("left out: %s", record.repository)
            left_out = replace(record, reason="failed", detail=f"{type(error).__name__}: {error}")
        else:
            await asyncio.to_thread(shards.spool, self._job, shard, number, record, result)
            return
        shards.spool_left_out(self._job, shard, number, left_out)

    async def keep_books(self) -> None:
        """Write down what has been used, every second; ends the work where there is reason to."""
        config = self._job.config
        limited = any(limit is not None for limit in vars(config.budget).values())
        store = store_path(config)
        clock = asyncio.get_running_loop().time
        next_check = clock()
        while True:
            await asyncio.sleep(EVERY)
            self._note()
            if limited and clock() >= next_check:
                check_budget(total(self._job.place), config.budget, config.prices)
                # A thousand tasks on one file system do not read a thousand files every second.
                next_check = clock() + len(ledgers(self._job.place)) / 10
            if not store.exists():
                raise UserError(
                    f"{store}: the store of answers has vanished; start again to go on with what is in "
                    f"{self._job.place.url}, but for the answers to what was under way"
                )

    def _note(self) -> None:
        self._snapshot.calls_expected = self._calls.expected
        self._snapshot.calls_finished = self._calls.finished
        self._snapshot.usage = usage_of(self._models)
        self._ledger.write(self._snapshot)


async def _first_of(*works: Awaitable[None]) -> None:
    """Wait for whichever ends first, and end the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _agreed(job: Job, models: Models) -> Models:
    """``models`` with the noise that the first process of this build measured: one margin for all rows."""
    names = {"generator": model_name(models.generator), "scorer": model_name(models.scorer)}
    noise: dict[str, Any] = {"spread": models.noise.spread, "largest": models.noise.largest}
    agreed = job.agreed("models", {**names, "noise": noise})
    for end, name in names.items():
        if agreed[end] != name:
            raise UserError(
                f"{job.place.url}: the {end} has been {agreed[end]} so far, and now {name} answers; start "
                "the former, or give --overwrite to build everything anew"
            )
    kept = {
        part: {int(length): value for length, value in agreed["noise"][part].items()}
        for part in ("spread", "largest")
    }
    return replace(models, noise=Noise(**kept))


def _left_out(record: Record, error: UserError) -> Record:
    return replace(record, reason="unreadable", detail=str(error).removeprefix(f"{record.source}: "))
