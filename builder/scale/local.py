"""A build on this machine, from sources to a folder that stock ``load_dataset`` reads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from builder.config import BuildConfig
from builder.errors import UserError
from builder.llm import child_environment
from builder.pipeline import serving
from builder.repository import shown
from builder.scale.finish import finish, write_usage
from builder.scale.job import Job
from builder.scale.progress import EVERY, Snapshot, cost, ledgers, total
from builder.scale.work import build_shards, survey
from builder.scale.worker import NEXT

_DEATHS = 3  # of workers, in one build: more is no accident


def build(output: str | Path, sources: Sequence[str], config: BuildConfig, *, overwrite: bool = False) -> Job:
    """Turn ``sources`` into a dataset in the folder ``output``; one that was interrupted goes on.

    ``sources`` are directories, archives, package URLs, git URLs, datasets of code, manifests, or globs. With
    ``overwrite`` a folder that holds a build of something else is built anew. Raises ``UserError`` in one
    line, ``BudgetReached`` among them; what was done until then is in place.
    """
    job = Job(output, config)
    with alone(job):
        prepare(job, sources, overwrite=overwrite)
        try:
            with serving(config) as served:
                _run_workers(Job(output, served))
        except BaseException:
            with contextlib.suppress(UserError):
                write_usage(job)
                if job.done():
                    finish(job)  # what there is can be read
            raise
        finish(job)
    return job


def prepare(job: Job, sources: Sequence[str], *, overwrite: bool = False) -> None:
    """Survey all sources that have not been looked at, and choose among them.

    Raises ``UserError`` where none stays.
    """
    job.start(sources, overwrite=overwrite)
    chunks = job.unsurveyed()
    if chunks:
        number = min(len(chunks), os.cpu_count() or 1)
        number_of_sources = sum(len(job.sources(chunk)) for chunk in chunks)
        few = len(chunks) == 1  # which are read before anybody would look at the bar
        with tqdm(desc="repositories read", unit="", total=number_of_sources, disable=few) as bar:

            async def all_of_them() -> None:
                await asyncio.gather(*(survey(job, chunks[n::number], bar.update) for n in range(number)))

            run(all_of_them())
    checked(job)


def checked(job: Job) -> None:
    """Choose among what has been surveyed; raises ``UserError`` where nothing stays."""
    job.choose()
    if not job.totals()["num_repositories"]:
        raise UserError(_nothing(job))


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` to its end, also where this thread has an event loop already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@contextlib.contextmanager
def showing(job: Job) -> Iterator[None]:
    """Show how far all processes of this build are, from this one."""
    before, totals = ledgers(job.place), job.totals()
    size, number = job.config.repositories_per_shard, totals["num_repositories"]
    done = sum(min(size, number - shard * size) for shard in job.done())
    stop = threading.Event()

    def show() -> None:
        bar, ended = None, False
        while not ended:
            ended = stop.wait(EVERY)
            with contextlib.suppress(UserError):  # whoever writes rows will say what is wrong
                now = total(job.place, without=before)
                if bar is None and now.calls_expected:
                    bar = tqdm(desc="model calls", unit="call", total=0)
                if bar is not None:
                    _show(bar, now, totals, done, job, ended)
        if bar is not None:
            bar.close()

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _show(bar: tqdm, now: Snapshot, totals: dict[str, Any], done: int, job: Job, ended: bool) -> None:
    """Calls, of as many as there will be if what has not been begun is like what has; tokens, cost."""
    bar.n = now.calls_finished
    ahead = max(0, totals["num_code_bytes"] - now.begun_bytes) if now.begun_bytes and not ended else 0
    bar.total = max(bar.n, round(now.calls_expected * (1 + ahead / max(1, now.begun_bytes))))
    parts = [f"{done + now.repositories}/{totals['num_repositories']} repositories"]
    parts += [f"{now.tokens / max(1.0, now.seconds):.0f} tokens/s"]
    if price := cost(now, job.config.prices):
        parts += [f"cost {price:.2f}"]
    bar.set_postfix_str(", ".join(parts))


def _run_workers(job: Job) -> None:
    todo = job.todo()
    number = min(job.config.workers, len(todo))
    with showing(job) if todo else contextlib.nullcontext():
        if number <= 1:
            run(build_shards(job, todo))
        else:
            _Workers(job, todo, number).run()


class _Workers:
    """Processes that take the shards of a build as they have room. One that is killed is started again."""

    def __init__(self, job: Job, shards: Sequence[int], number: int) -> None:
        self._job, self._number = job, number
        self._todo = deque(shards)
        self._deaths = 0
        self._failures: list[str] = []
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(self) -> None:
        try:
            with ThreadPoolExecutor(self._number) as threads:
                list(threads.map(self._see_to, range(self._number)))
        finally:
            self._stop()
        if self._failures:
            raise UserError(self._failures[0])

    def _see_to(self, _: int) -> None:
        while not self._failures:
            with self._lock:
                process = _start_worker(self._job)
                self._processes.append(process)
            given, said = self._give(process)
            if process.wait() == 0:
                return
            with self._lock:
                done = self._job.done()
                self._todo.extendleft(shard for shard in reversed(given) if shard not in done)
                self._deaths += 1
                if said or self._deaths > _DEATHS:
                    self._failures.append(
                        said
                        or f"{self._job.place.url}: a worker has ended {_DEATHS + 1} times (status "
                        f"{process.returncode}; out of memory?); start again to go on where it was"
                    )
        self._stop()

    def _give(self, process: subprocess.Popen[bytes]) -> tuple[list[int], str]:
        """Hand out shards until the process ends: which they were, and what it says is wrong."""
        assert process.stdin is not None
        assert process.stdout is not None
        given: list[int] = []
        said = ""
        for line in map(bytes.decode, process.stdout):
            if line != NEXT:
                said += line
                continue
            with self._lock:
                shard = self._todo.popleft() if self._todo else None
            given += [] if shard is None else [shard]
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"\n" if shard is None else b"%d\n" % shard)
                process.stdin.flush()
        return given, said

    def _stop(self) -> None:
        with self._lock:
            for process in self._processes:
                if process.poll() is None:
                    process.terminate()


def _start_worker(job: Job) -> subprocess.Popen[bytes]:
    """A process that outlives nobody; ``builder.scale.worker`` says how one talks to it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "builder.scale.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
        start_new_session=True,  # a Ctrl-C is the parent's business
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(pickle.dumps((job.place.url, replace(job.config, workers=1))))
        process.stdin.flush()  # and it stays open: its end is the worker's
    return process


@contextlib.contextmanager
def alone(job: Job) -> Iterator[None]:
    """Nobody else builds into the same folder of this machine."""
    from filelock import FileLock, Timeout

    if job.place.local is None:
        yield
        return
    with job.place.errors():
        job.place.local.mkdir(parents=True, exist_ok=True)
        lock = FileLock(job.place.local / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"{job.place.url}: another build is writing to it; wait for its end, or choose another output"
            ) from None
    try:
        job.place.clean()
        yield
    finally:
        lock.release()


def _nothing(job: Job) -> str:
    """Why no repository stays."""
    left_out = list(job.left_out())
    if len(left_out) == 1:
        return f"{shown(left_out[0].source)}: left out: {left_out[0].detail or left_out[0].reason}"
    reasons = ", ".join(
        f"{count} {reason}"
        for reason, count in sorted(
            {record.reason: sum(r.reason == record.reason for r in left_out) for record in left_out}.items()
        )
    )
    first = left_out[0]
    return (
        f"none of the {len(left_out)} repositories stays ({reasons}); the first: {shown(first.source)}: "
        f"{first.detail}"
    )
