"""What every engine that scores holds to, whatever serves it.

The pocket server is real, TGI and vLLM are played; where ``REPO2AGENT_VLLM`` is set (see the fixture
``vllm_url``) a real vLLM holds to the same. A proxy stands before each, so that all meet the same faults.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from builder.errors import UserError
from builder.llm import ModelError, connect
from builder.llm.embedded import embedded_tokenizer

TEXT = "def main(path):\n    return path\n\n\nclass Shape:\n    def area(self):\n        return 3 * self.r\n"
MESSAGES = [{"role": "user", "content": "Name a colour."}]


@dataclass(frozen=True)
class Server:
    """``open()`` gives its URL; ``protocol`` is how it says what it knows of a prompt."""

    protocol: str
    tokenizer: Any
    open: Callable[[], contextlib.AbstractAsyncContextManager[str]]
    # How far repeated log-probs may be apart: real engines sum in an order that depends on the batch.
    noise: float = 0.0


@contextlib.asynccontextmanager
async def at(url: str) -> AsyncIterator[str]:
    yield url


@pytest.fixture(params=["pocket", "tgi", "vllm", pytest.param("real vllm", marks=pytest.mark.vllm)])
def server(request, bytes_tokenizer) -> Server:
    @contextlib.asynccontextmanager
    async def played(name: str) -> AsyncIterator[str]:
        async with request.getfixturevalue(name)() as fake:
            fake.tokenizer = bytes_tokenizer
            yield fake.url

    if request.param == "pocket":
        url = request.getfixturevalue("tiny_url")
        return Server("tgi", bytes_tokenizer, lambda: at(url), noise=1e-5)
    if request.param == "real vllm":
        url = request.getfixturevalue("vllm_url")
        return Server("vllm", embedded_tokenizer(), lambda: at(url), noise=1e-4)
    return Server(request.param, bytes_tokenizer, lambda: played(f"fake_{request.param}"))


@pytest.fixture
def run(server, proxy):
    """``run(scenario)``: run ``scenario(connection, proxy)`` against the server, with little patience."""

    def go(scenario, **options):
        async def inner():
            async with (
                server.open() as url,
                proxy(url) as between,
                connect(between.url, tokenizer=server.tokenizer, patience=0.05, **options) as connection,
            ):
                return await scenario(connection, between)

        return asyncio.run(inner())

    return go


@pytest.fixture
def ids(server) -> list[int]:
    return server.tokenizer(TEXT)["input_ids"]


@pytest.fixture
def near(server):
    return lambda expected: pytest.approx(expected, abs=server.noise)


def positions(server: Server, answer: Any) -> list[Any]:
    """The entries of a prompt's positions in an answer, to be changed in place."""
    if server.protocol == "tgi":
        return answer["details"]["prefill"]
    return answer["choices"][0]["prompt_logprobs"]


def test_a_server_says_what_it_serves_and_passes_the_canary(run, server):
    async def scenario(connection, between):
        info = connection.info
        assert info.model_id
        assert 0 < info.max_input_tokens < info.max_total_tokens
        assert connection.engine_name
        assert connection.capabilities.scores

    run(scenario, scoring=True)


def test_each_token_of_the_target_has_one_log_prob(run, ids):
    async def scenario(connection, between):
        logprobs = await connection.score(ids[:5], ids[5:])
        assert len(logprobs) == len(ids) - 5
        assert all(math.isfinite(logprob) and logprob <= 0 for logprob in logprobs)
        assert await connection.score(ids, []) == []
        assert connection.usage.scored_tokens == len(ids)

    run(scenario)


def test_a_target_of_one_token_has_the_log_prob_that_it_has_in_a_longer_one(run, ids, near):
    async def scenario(connection, between):
        together = await connection.score(ids[:5], ids[5:12])
        apart = [await connection.score(ids[:at], ids[at : at + 1]) for at in range(5, 12)]
        assert [logprob for (logprob,) in apart] == near(together)

    run(scenario)


def test_simultaneous_requests_get_each_its_own_answer(run, ids, near):
    requests = [(ids[:n], ids[n:]) for n in range(4, 20)] + [(ids[:3], ids[3 : 3 + n]) for n in range(1, 17)]

    async def scenario(connection, between):
        together = await asyncio.gather(*(connection.score(*request) for request in requests))
        for request, logprobs in zip(reversed(requests), reversed(together), strict=True):
            assert await connection.score(*request) == near(logprobs)

    run(scenario)


def test_the_tokenizer_s_own_prefix_is_neither_doubled_nor_dropped(run, server, ids):
    prefix = server.tokenizer("")["input_ids"]
    assert ids[: len(prefix)] == prefix

    async def scenario(connection, between):
        await connection.score(ids[:5], ids[5:])
        without = ids[len(prefix) :]
        if prefix and not connection.capabilities.takes_ids:
            with pytest.raises(ModelError, match="prefix"):
                await connection.score(without[:5], without[5:])
        else:
            assert len(await connection.score(without[:5], without[5:])) == len(without) - 5

    run(scenario)


def test_ids_that_no_text_gives_are_scored_as_they_are_or_not_at_all(run, server, ids):
    pieces = [server.tokenizer(text, add_special_tokens=False) for text in ("ret", "urn pa", "th")]
    apart = [token for piece in pieces for token in piece["input_ids"]]

    async def scenario(connection, between):
        if connection.capabilities.takes_ids:
            assert len(await connection.score(ids, apart)) == len(apart)
        else:
            with pytest.raises(ModelError, match="ids part at position"):
                await connection.score(ids, apart)

    run(scenario)


def test_special_tokens_in_a_text_are_scored_as_what_they_were_read_as(run, server, ids, near):
    special = server.tokenizer.eos_token
    as_special = server.tokenizer(TEXT + special + TEXT)["input_ids"]
    assert server.tokenizer.eos_token_id in as_special
    as_text = server.tokenizer(TEXT + special + TEXT, split_special_tokens=True)["input_ids"]
    assert server.tokenizer.eos_token_id not in as_text

    async def scenario(connection, between):
        logprobs = await connection.score(as_special[:4], as_special[4:])
        assert logprobs[: len(ids) - 4] == near(await connection.score(ids[:4], ids[4:]))
        if connection.capabilities.takes_ids:
            assert len(await connection.score(as_text[:4], as_text[4:])) == len(as_text) - 4
        else:
            with pytest.raises(ModelError, match="ids part at position"):
                await connection.score(as_text[:4], as_text[4:])

    run(scenario)


def test_what_is_longer_than_the_window_is_refused_before_it_is_sent(run, ids):
    async def scenario(connection, between):
        longest = connection.info.max_input_tokens
        with pytest.raises(ModelError, match=f"{longest + 1} tokens is beyond the server's {longest}"):
            await connection.score((ids * longest)[:longest], ids[-1:])
        assert between.requests == []
        words = [{"role": "user", "content": TEXT * (longest // 10)}]
        with pytest.raises(ModelError, match="status 4") as caught:
            await connection.generate(words, max_tokens=5)
        assert "\n" not in str(caught.value)
        assert len(between.requests) == 1

    run(scenario)


def test_greedy_text_is_the_same_each_time(run):
    async def scenario(connection, between):
        texts = [await connection.generate(MESSAGES, max_tokens=12) for _ in range(2)]
        texts += await asyncio.gather(*(connection.generate(MESSAGES, max_tokens=12) for _ in range(3)))
        assert len(set(texts)) == 1
        assert connection.usage.generated_tokens > 0

    run(scenario)


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"error": "Model is overloaded", "error_type": "overloaded"}),
        (500, {"error": {"message": "out of memory", "type": "InternalServerError", "code": 500}}),
        (503, "warming up"),
        (200, "[]"),
        (200, '{"choices": [{"prompt_logp'),
        "reset",
    ],
    ids=["429", "500", "503", "empty list", "cut off", "reset"],
)
def test_a_passing_fault_is_not_seen(run, ids, near, fault):
    async def scenario(connection, between):
        expected = await connection.score(ids[:5], ids[5:])
        between.script = [fault, fault]
        assert await connection.score(ids[:5], ids[5:]) == near(expected)
        between.script = [fault, fault]
        await connection.generate(MESSAGES, max_tokens=3)
        assert len(between.requests) == 7
        assert connection.usage.failed == 0

    run(scenario)


def test_a_lasting_fault_costs_one_call_and_is_told_in_one_line(run, ids):
    async def scenario(connection, between):
        between.script = [(500, {"error": "down\nand out"})] * 100
        with pytest.raises(ModelError, match="status 500: down and out") as caught:
            await connection.score(ids[:5], ids[5:])
        assert "\n" not in str(caught.value)
        between.script = []
        assert await connection.score(ids[:5], ids[5:])

    run(scenario)


def test_log_probs_of_other_ids_are_no_score(run, server, ids):
    def other_id(answer):
        if server.protocol == "tgi":
            positions(server, answer)[5]["id"] += 1
        else:
            answer["choices"][0]["prompt_token_ids"][5] += 1
            entry = positions(server, answer)[5]
            entry[str(ids[5] + 1)] = entry.pop(str(ids[5]))
        return answer

    def one_short(answer):
        positions(server, answer).pop()
        return answer

    async def scenario(connection, between):
        for change in (other_id, one_short):
            between.script = [change]
            with pytest.raises(ModelError, match="ids part at position"):
                await connection.score(ids[:3], ids[3:])

    run(scenario)


def test_a_target_with_a_null_among_its_log_probs_is_no_score(run, server, ids):
    def null(answer):
        if server.protocol == "tgi":
            positions(server, answer)[8]["logprob"] = None
        else:
            positions(server, answer)[8] = None
        return answer

    async def scenario(connection, between):
        between.script = [null] * 20
        with pytest.raises(ModelError, match="log-prob 5 of the target is None"):
            await connection.score(ids[:3], ids[3:])

    run(scenario)


def test_a_server_without_log_probs_of_the_prompt_is_refused_with_the_way_out(run, server, ids):
    def without(answer):
        if server.protocol == "tgi":
            answer["details"]["prefill"] = []
        else:
            answer["choices"][0]["prompt_logprobs"] = None
        return answer

    async def scenario(connection, between):
        between.script = [without]
        with pytest.raises(UserError, match=r"--enable-prefill-logprobs|prompt_logprobs=0") as caught:
            await connection.score(ids[:3], ids[3:])
        assert "\n" not in str(caught.value)

    run(scenario)
