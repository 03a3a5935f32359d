"""The store of answers: nothing is asked twice, whatever dies in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys

import pytest

from builder.errors import UserError
from builder.llm import ModelError, connect
from builder.llm.store import Store, answer_key

MESSAGES = [{"role": "user", "content": "hello"}]

WRITER = """
import itertools, sys
from pathlib import Path
from builder.llm.store import Store
store, name = Store(Path(sys.argv[1])), sys.argv[2]
for n in itertools.count(int(sys.argv[3])):
    kept = store.put(f"{n}", {"by": name, "n": n, "padding": "x" * 20_000})
    print(n, kept["by"], flush=True)
"""


class Writer:
    """A process that puts an answer of its own under one number after another and says what was kept."""

    def __init__(self, path, name, first):
        command = [sys.executable, "-c", WRITER, path, name, str(first)]
        # A writer is never more than so many lines ahead of who reads them.
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pipesize=4096)
        self.kept = {}  # by number, who wrote what the store gave back

    def read(self, number):
        for _ in range(number):
            self._take(self.process.stdout.readline())

    def kill(self):
        self.process.kill()
        for line in self.process.stdout:
            if line.endswith("\n"):  # else it was cut off
                self._take(line)
        assert self.process.wait() == -signal.SIGKILL

    def _take(self, line):
        n, name = line.split()
        self.kept[int(n)] = name


def test_what_was_put_is_got_exactly(tmp_path):
    store = Store(tmp_path / "deep" / "answers.sqlite")
    answer = [-0.1234567890123456, -1e-17, -3.0]
    assert store.get("k") is None
    assert store.put("k", answer) == answer
    assert Store(store.path).get("k") == answer


def test_the_first_answer_stays(tmp_path):
    store = Store(tmp_path / "answers.sqlite")
    store.put("k", "first")
    assert store.put("k", "second") == "first"
    assert store.get("k") == "first"


def test_a_key_tells_requests_apart_and_knows_no_order():
    assert answer_key({"a": 1, "b": [1, 2]}) == answer_key({"b": [1, 2], "a": 1})
    assert answer_key({"a": 1, "b": [1, 2]}) != answer_key({"a": 1, "b": [2, 1]})


def test_of_two_writers_one_is_killed_again_and_again_and_neither_loses_an_answer(tmp_path):
    path = tmp_path / "answers.sqlite"
    dice = random.Random(3)
    kept = []
    survivor = Writer(path, "survivor", 0)
    survivor.read(1)
    for number in range(12):
        # In turns on the survivor's heels, and where it has yet to come.
        first = max(survivor.kept) + (dice.randrange(60) if number % 2 else 500)
        victim = Writer(path, f"victim{number}", first)
        victim.read(dice.randrange(1, 40))
        victim.kill()  # most of its time goes into writing: so do most kills
        kept.append(victim.kept)
        survivor.read(20)  # it goes on, past whatever lock and half-written page the other has left
        if number % 4 == 3:
            with contextlib.closing(sqlite3.connect(path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    last = max(max(numbers) for numbers in kept)
    while max(survivor.kept) < last:
        survivor.read(1)
    survivor.kill()
    kept.append(survivor.kept)

    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        keys = [key for (key,) in connection.execute("SELECT key FROM answers")]
    assert len(set(keys)) == len(keys)
    store = Store(path)
    for numbers in kept:
        for n, name in numbers.items():
            assert store.get(f"{n}") == {"by": name, "n": n, "padding": "x" * 20_000}
    for numbers in kept[:-1]:  # under numbers that both had, both were given the same
        assert all(survivor.kept[n] == name for n, name in numbers.items())
    assert {name.rstrip("0123456789") for name in survivor.kept.values()} == {"survivor", "victim"}
    assert store.put("after", 1) == 1


def put_one(store):
    store.put("from the child", os.getpid())
    os._exit(0)


def test_an_open_store_goes_through_a_fork(tmp_path):
    store = Store(tmp_path / "answers.sqlite")
    store.put("before", 1)
    child = multiprocessing.get_context("fork").Process(target=put_one, args=(store,))
    child.start()
    child.join(timeout=30)
    assert child.exitcode == 0
    assert store.get("from the child") == child.pid
    assert store.put("after", 2) == 2


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("not a database, but long enough to look at: " + "x" * 200)
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path):
        with pytest.raises(UserError, match="store of answers") as caught:
            Store(path).put("k", 1)
        assert "\n" not in str(caught.value)


def run(fake_tgi, scenario, **options):
    async def inner():
        async with (
            fake_tgi() as fake,
            connect(fake.url, tokenizer=fake.tokenizer, patience=0.02, **options) as connection,
        ):
            return await scenario(fake, connection)

    return asyncio.run(inner())


def test_an_answer_is_asked_for_once_in_all_processes(fake_tgi, tmp_path, tokenizer):
    ids = tokenizer("def f():\n    return 1\n")["input_ids"]

    async def scenario(fake, connection):
        answers = [
            await connection.generate(MESSAGES, max_tokens=5, seed=1),
            await connection.generate(MESSAGES, max_tokens=5, seed=2),
            await connection.score(ids[:3], ids[3:]),
            await connection.score(ids[:4], ids[4:]),
        ]
        return answers, len(fake.requests), connection.usage

    first, asked, usage = run(fake_tgi, scenario, store=tmp_path / "a.sqlite")
    again, repeated, stored = run(fake_tgi, scenario, store=tmp_path / "a.sqlite")
    assert asked == 4
    assert repeated == 0
    assert json.dumps(first) == json.dumps(again)
    assert (usage.calls, usage.stored) == (4, 0)
    assert (stored.calls, stored.stored) == (4, 4)


def test_equal_calls_in_flight_are_one(fake_tgi):
    seen = []

    async def scenario(fake, connection):
        calls = [connection.generate(MESSAGES, max_tokens=5) for _ in range(5)]
        answers = await asyncio.gather(*calls)
        return set(answers), len(fake.requests)

    answers, asked = run(fake_tgi, scenario, on_call=lambda usage: seen.append(usage.calls))
    assert answers == {"answer to hello"}
    assert asked == 1
    assert len(seen) == 5


def test_one_who_gives_up_does_not_take_the_answer_from_the_others(fake_tgi, tmp_path):
    async def scenario(fake, connection):
        first = asyncio.create_task(connection.generate(MESSAGES, max_tokens=5))
        second = asyncio.create_task(connection.generate(MESSAGES, max_tokens=5))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "answer to hello"
        assert len(fake.requests) == 1

    run(fake_tgi, scenario, store=tmp_path / "a.sqlite")


def test_a_failure_is_not_stored(fake_tgi, tmp_path):
    async def scenario(fake, connection):
        fake.script = [(422, {"error": "no", "error_type": "validation"})]
        with pytest.raises(ModelError):
            await connection.generate(MESSAGES, max_tokens=5)
        assert await connection.generate(MESSAGES, max_tokens=5) == "answer to hello"

    run(fake_tgi, scenario, store=tmp_path / "a.sqlite")


def _open_together(barrier, path, results) -> None:
    try:
        barrier.wait(30)
        Store(path).put("k", 1)
        results.put("")
    except Exception as error:
        results.put(repr(error))


def test_many_processes_may_open_a_new_store_at_once(tmp_path):
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        barrier, results = context.Barrier(8), context.Queue()
        path = tmp_path / f"{attempt}.sqlite"
        workers = [context.Process(target=_open_together, args=(barrier, path, results)) for _ in range(8)]
        for worker in workers:
            worker.start()
        assert [results.get(timeout=60) for _ in workers] == [""] * len(workers)
        for worker in workers:
            worker.join()
