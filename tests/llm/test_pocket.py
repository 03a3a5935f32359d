"""The pocket server as users meet it: the embedded model behind the client, a life tied to its starter."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from builder.errors import UserError
from builder.llm import connect, pocket_server
from builder.llm.embedded import MODEL_ID, embedded_model, embedded_revision

SOURCE = open(random.__file__).read()  # noqa: PTH123, SIM115
DEADLINE = 60.0  # seconds


def answers(url) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until(condition) -> bool:
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.slow
def test_scores_of_the_embedded_model_are_transformers_own(pocket_url, tokenizer):
    import torch
    from transformers import AutoModelForCausalLM

    ids = tokenizer(SOURCE)["input_ids"][:300]

    async def score():
        async with connect(pocket_url, scoring=True) as model:
            assert (model.info.model_id, model.info.revision) == (MODEL_ID, embedded_revision())
            assert model.tokenizer.get_vocab() == tokenizer.get_vocab()
            return await model.score(ids[:200], ids[200:])

    model = AutoModelForCausalLM.from_pretrained(embedded_model(), dtype=torch.float32).eval()
    with torch.inference_mode():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = [float(logprobs[at - 1, ids[at]]) for at in range(200, 300)]
    assert asyncio.run(score()) == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_company_changes_no_bit_of_an_answer(pocket_url, tokenizer):
    ids = tokenizer(SOURCE)["input_ids"]
    prompts = [[{"role": "user", "content": f"What is {n} times {n}? " * n}] for n in range(1, 7)]

    async def ask(together):
        async with connect(pocket_url) as model:
            calls = [model.generate(p, max_tokens=12, temperature=0.8, seed=5) for p in prompts]
            calls += [model.score(ids[: 90 + n], ids[90 + n : 160 + n]) for n in range(2)]
            return await asyncio.gather(*calls) if together else [await call for call in calls]

    assert asyncio.run(ask(True)) == asyncio.run(ask(False))


STARTER = """
import os, sys, time
from builder.llm import pocket_server
with pocket_server(sys.argv[1]) as url:
    worker = os.fork()
    if worker == 0:
        sys.exit(0)  # unwinds the context in the worker
    os.waitpid(worker, 0)
    stays = os.fork()
    if stays == 0:
        time.sleep(600)
        os._exit(0)
    print(url, stays, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_the_server_outlives_workers_but_not_its_killed_starter(tiny_directory):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, tiny_directory], stdout=subprocess.PIPE, text=True
    )
    url, worker = starter.stdout.readline().split()
    try:
        assert answers(url), "a worker that ended took the server along"
        os.kill(starter.pid, signal.SIGKILL)
        starter.wait()
        assert wait_until(lambda: not answers(url)), "the server outlived its starter"
        os.kill(int(worker), 0)  # the forked worker lives, and has not kept the server alive
    finally:
        starter.kill()
        os.kill(int(worker), signal.SIGKILL)


@pytest.mark.slow
def test_a_starter_that_is_gone_before_the_first_look_is_noticed(tiny_directory):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    server = subprocess.run(
        [sys.executable, "-m", "builder.llm.pocket", "--port", "0", "--parent", str(gone.pid)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert "ready" not in server.stdout


@pytest.mark.slow
def test_the_server_ends_with_its_context(tiny_directory):
    with pocket_server(tiny_directory) as url:
        assert answers(url)
    assert not answers(url)


@pytest.mark.slow
def test_a_model_that_is_none_is_one_line(tmp_path):
    with (
        pytest.raises(UserError, match="not a model that transformers loads") as caught,
        pocket_server(tmp_path),
    ):
        pass
    assert "\n" not in str(caught.value)
