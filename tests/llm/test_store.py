"""The store of answers: nothing is asked twice, whatever dies in between."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from builder.errors import UserError
from builder.llm import ModelError, connect
from builder.llm.store import Store, answer_key

MESSAGES = [{"role": "user", "content": "hello"}]

WRITER = """
import sys
from pathlib import Path
from builder.llm.store import Store
store = Store(Path(sys.argv[1]))
for n in range(10**9):
    store.put(f"{sys.argv[2]}-{n}", {"n": n, "padding": "x" * 500})
    print(n, flush=True)
"""


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


def test_two_killed_writers_lose_no_committed_answer(tmp_path):
    path = tmp_path / "answers.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    committed = {}
    for name, writer in zip(("a", "b"), writers, strict=True):
        for line in writer.stdout:
            if int(line) >= 40:
                break
        os.kill(writer.pid, signal.SIGKILL)
        committed[name] = max(
            [
                40,
                *(
                    int(line)
                    for line in writer.stdout.read().splitlines(keepends=True)
                    if line.endswith("\n")
                ),
            ]
        )
        writer.wait()
    store = Store(path)
    for name, last in committed.items():
        for n in range(last + 1):
            assert store.get(f"{name}-{n}")["n"] == n
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
