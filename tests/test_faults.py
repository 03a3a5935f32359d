"""Builds that are disturbed: by faults of the server, by being killed, by a server that is gone for good.

Each is a real build of 50 files, in a process of its own, through a proxy in front of a server that answers
each request always alike. Whatever happens on the way, the rows are those of a build that nothing disturbed.

Stalls are scaled down to a sixtieth, waiting to a fifteenth. With the true lengths and more kills they take
some minutes:

    STALL=30 PATIENCE=90 KILLS=20 python -m pytest tests/test_faults.py
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from datasets import Dataset

from builder.cli import main
from builder.config import BuildConfig
from builder.rows import DEFAULT_CONFIGS

PATIENCE = float(os.environ.get("PATIENCE", "6"))
STALL = float(os.environ.get("STALL", "0.5"))
FAULTS = (429, 500, "reset", "stall", "truncated", "null")
SHARE = 0.2  # of all requests
NUM_FILES = 50
NUM_KILLS = int(os.environ.get("KILLS", "10"))
CANARY = "fibonacci"  # scored at every connection, and not kept

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """50 files, most of which import others."""
    root = tmp_path_factory.mktemp("faults") / "shop"
    (root / "shop").mkdir(parents=True)
    (root / "README.md").write_text("# Shop\n\nParts that build on one another.\n")
    for n in range(NUM_FILES - 1):
        others = sorted({n // 2, n - 1} - {n, -1})
        imports = "".join(f"from shop.part{other:02} import total{other:02}\n" for other in others)
        total = " + ".join(["factor * sum(values)", *(f"total{other:02}(values)" for other in others)])
        (root / "shop" / f"part{n:02}.py").write_text(
            f'"""Part {n} of the shop."""\n\n{imports}\n\n'
            f"def total{n:02}(values, factor={n}):\n"
            f'    """The values, each times {n}, and what the parts before make of them."""\n'
            f"    if not values:\n        raise ValueError('no values for part {n}')\n    return {total}\n"
        )
    return root


@pytest.fixture(scope="module")
def tokenizer_directory(bytes_tokenizer, project, tmp_path_factory) -> Path:
    texts = [path.read_text() for path in sorted(project.rglob("*.py"))]
    directory = tmp_path_factory.mktemp("tokenizer")
    bytes_tokenizer.train_new_from_iterator(texts, 1000).save_pretrained(directory)
    return directory


@contextlib.contextmanager
def serving(tokenizer_directory: Path, port: str = "0") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """URL and process of a server that gives every request its answer at once."""
    script = Path(__file__).with_name("fake_tgi.py")
    with subprocess.Popen(
        [sys.executable, script, tokenizer_directory / "tokenizer.json", "--port", port],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("ready ").strip(), process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module")
def server(tokenizer_directory):
    """The URL of such a server."""
    with serving(tokenizer_directory) as (url, _):
        yield url


@pytest.fixture(scope="module")
def arguments(project, tokenizer_directory):
    """``arguments(url, folder)``: what follows ``repo2agent``; store and rows lie in ``folder``."""

    def give(url: str | list[str], folder: Path) -> list[str]:
        options = {
            "llm": url if isinstance(url, str) else json.dumps(url),
            "tokenizer": str(tokenizer_directory),
            "store": str(folder / "store.sqlite"),
            "output": str(folder / "built"),
            "patience": str(PATIENCE),
            "search.rounds": "1",
        }
        return ["build", str(project), *(f"--{name}={value}" for name, value in options.items())]

    return give


def start(arguments: list[str]) -> subprocess.Popen[str]:
    program = str(Path(sys.executable).with_name("repo2agent"))
    return subprocess.Popen([program, *arguments], stderr=subprocess.PIPE, text=True)


def finish(arguments: list[str]) -> None:
    process = start(arguments)
    _, said = process.communicate(timeout=3600)
    assert process.returncode == 0, said


def rows(folder: Path) -> dict[str, list[dict]]:
    return {
        config: Dataset.from_parquet(
            [str(path) for path in sorted((folder / "built" / "data" / config).glob("*.parquet"))],
            keep_in_memory=True,
        ).to_list()
        for config in DEFAULT_CONFIGS
    }


def num_stored(folder: Path) -> int:
    """How many answers the store holds; it must be sound."""
    with sqlite3.connect(folder / "store.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT count(*) FROM answers").fetchone()[0]


@pytest.fixture(scope="module")
def calm(arguments, server, tmp_path_factory) -> Path:
    """The folder of a build that nothing disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    finish(arguments(server, folder))
    return folder


def test_the_calm_build_is_worth_comparing_with(calm) -> None:
    (row,) = rows(calm)["repo2agent-search"]
    assert len(row["files"]) == NUM_FILES
    assert len(row["scores"]) == NUM_FILES - 1
    assert row["notes"] == []
    accepted = sum(score["rounds_accepted"] for score in row["scores"])
    assert 5 < accepted < NUM_FILES - 5


def test_faults_at_a_fifth_of_all_requests_change_no_row(
    arguments, calm, counting_proxy, sabotage, server, tmp_path
) -> None:
    attempts: Counter[str] = Counter()
    faults: Counter[object] = Counter()

    async def spoil(request, body, response):
        attempts[body] += 1
        dice = random.Random(f"{body} {attempts[body]}")
        if dice.random() >= SHARE:
            return response
        kind = dice.choice(FAULTS)
        faults[kind] += 1
        if kind == "stall":
            await asyncio.sleep(STALL)
            return response
        return await sabotage(kind, request, response)

    proxy = counting_proxy(server, spoil)
    finish(arguments(proxy.url, tmp_path))
    assert set(faults) == set(FAULTS)
    assert sum(faults.values()) > 0.8 * SHARE * len(proxy.requests)
    assert rows(tmp_path) == rows(calm)
    assert num_stored(tmp_path) == num_stored(calm)


def test_a_build_that_is_killed_again_and_again_asks_only_for_what_was_in_flight(
    arguments, calm, counting_proxy, server, tmp_path
) -> None:
    # Processes that have imported everything before they are made: many starts in seconds.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["builder.pipeline", "transformers.models.auto.tokenization_auto"])
    proxy = counting_proxy(server)
    command = arguments(proxy.url, tmp_path)
    dice = random.Random(5)
    share = num_stored(calm) // (NUM_KILLS + 1)
    kept, asked_in_all = 0, 0

    def asked() -> int:
        return sum(CANARY not in body for body in proxy.requests)

    for number in range(NUM_KILLS):
        proxy.requests.clear()
        build = processes.Process(target=main, args=(command,))
        build.start()
        # Mostly while calls are made, and now and then before the first or at the very beginning.
        moment = 0 if number % 7 == 3 else dice.randint(2, 3 * share // 2)
        assert proxy.wait_for(moment, timeout=120)
        build.join(dice.random() * 0.05)  # neither always at the arrival of a request nor always at an answer
        build.kill()
        build.join()
        assert build.exitcode == -signal.SIGKILL
        proxy.drain()
        if not (tmp_path / "store.sqlite").exists():
            continue
        before, kept = kept, num_stored(tmp_path)
        in_flight = asked() - (kept - before)
        assert 0 <= in_flight <= BuildConfig().concurrency
        asked_in_all += asked()

    assert 0 < kept < num_stored(calm)
    proxy.requests.clear()
    finish(command)
    assert asked() == num_stored(tmp_path) - kept
    assert num_stored(tmp_path) == num_stored(calm)
    assert asked_in_all + asked() <= num_stored(calm) + NUM_KILLS * BuildConfig().concurrency
    assert rows(tmp_path) == rows(calm)


def test_a_server_that_is_gone_for_good_ends_the_build_in_one_line_and_nothing_is_lost(
    arguments, calm, counting_proxy, server, tmp_path
) -> None:
    proxy = counting_proxy(server)
    build = start(arguments(proxy.url, tmp_path))
    assert proxy.wait_for(200, timeout=120)
    proxy.close()
    died = time.monotonic()
    _, said = build.communicate(timeout=300)
    assert time.monotonic() - died < 120
    assert build.returncode == 1
    (line,) = [line for line in said.splitlines() if line and "model calls:" not in line]
    assert line.startswith(f"repo2agent: error: {proxy.url}: no call has succeeded for ")
    assert line.endswith("start again once the server answers")

    kept = num_stored(tmp_path)
    asked = sum(CANARY not in body for body in proxy.requests)
    assert asked - BuildConfig().concurrency <= kept <= asked
    again = counting_proxy(server)
    finish(arguments(again.url, tmp_path))
    assert sum(CANARY not in body for body in again.requests) == num_stored(calm) - kept
    assert rows(tmp_path) == rows(calm)


def asked(proxies) -> list[int]:
    """Requests to each of ``proxies`` that were neither a canary nor a trial."""
    return [
        sum(CANARY not in body and '"max_tokens":1,' not in body for body in proxy.requests)
        for proxy in proxies
    ]


def until(words: str, stream: IO[str]) -> str:
    """What a build says up to the line with ``words``, or to its end."""
    said = ""
    for line in stream:
        said += line
        if words in line:
            break
    return said


def told(said: str) -> list[str]:
    """What a build said beside its progress."""
    return re.findall(r"repo2agent: .*|http://.*|Traceback.*", said)


def test_several_servers_share_a_build_evenly_and_the_rows_are_those_of_one(
    arguments, calm, counting_proxy, server, tmp_path
) -> None:
    proxies = [counting_proxy(server) for _ in range(3)]
    process = start(arguments([proxy.url for proxy in proxies], tmp_path))
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert told(said) == []
    assert sum(asked(proxies)) == num_stored(calm)
    assert asked(proxies) == pytest.approx([num_stored(calm) / 3] * 3, rel=0.05)
    assert rows(tmp_path) == rows(calm)


def test_a_server_that_is_killed_is_left_out_and_used_again_once_it_is_back(
    arguments, calm, counting_proxy, server, tmp_path, tokenizer_directory
) -> None:
    go_on = threading.Event()
    go_on.set()

    async def hold(request, body, response):
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        return response

    proxies = [counting_proxy(server, hold) for _ in range(2)]
    with serving(tokenizer_directory) as (url, process):
        build = start(arguments([proxies[0].url, proxies[1].url, url], tmp_path))
        assert build.stderr is not None
        assert proxies[0].wait_for(40, timeout=120)
        go_on.clear()  # from here on there is work left for a server that comes back
        process.kill()
        said = until("left out", build.stderr)
    with serving(tokenizer_directory, url.rpartition(":")[2]):
        said += until("taken in", build.stderr)
        go_on.set()
        _, rest = build.communicate(timeout=300)
    assert build.returncode == 0, rest
    left_out, back = told(said + rest)
    assert left_out.startswith(f"{url}: left out (connection refused)")
    assert back == f"{url}: answers and is taken in"
    assert rows(tmp_path) == rows(calm)
    assert num_stored(tmp_path) == num_stored(calm)
    assert asked(proxies) == pytest.approx([sum(asked(proxies)) / 2] * 2, rel=0.1)


def test_when_all_servers_are_gone_the_build_ends_in_one_line_and_nothing_is_lost(
    arguments, calm, counting_proxy, server, tmp_path
) -> None:
    proxies = [counting_proxy(server) for _ in range(3)]
    build = start(arguments([proxy.url for proxy in proxies], tmp_path))
    assert proxies[0].wait_for(70, timeout=120)
    for proxy in proxies:
        proxy.close()
    died = time.monotonic()
    _, said = build.communicate(timeout=300)
    assert time.monotonic() - died < 120
    assert build.returncode == 1
    *left_out, line = told(said)
    assert [said.partition(": ")[2][:8] for said in left_out] == ["left out"] * 2
    assert line.startswith("repo2agent: error: no server of fake/model is left; the last: http://")
    assert line.endswith("start again once the server answers")

    kept = num_stored(tmp_path)
    assert 0 <= sum(asked(proxies)) - kept <= 3 * BuildConfig().concurrency
    again = counting_proxy(server)
    finish(arguments(again.url, tmp_path))
    assert sum(asked([again])) == num_stored(calm) - kept
    assert rows(tmp_path) == rows(calm)
