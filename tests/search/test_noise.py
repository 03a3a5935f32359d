"""The margin: measured once, wide enough that noise wins nothing, and no wider than it must be."""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import closing
from itertools import pairwise

import pytest

from builder.agents import AgentOptions, Team
from builder.errors import UserError
from builder.llm import Connection, ModelError, Usage, connect
from builder.llm.store import Store
from builder.search import NO_NOISE, Scorer, SearchOptions, measure_noise, refine
from builder.search.noise import FLOOR

NUM_TRIALS = 2000
SCALE = 0.01  # nats
LENGTHS = (4, 16, 60, 256)


def truth(target):
    """A log-prob for each token that looks like one: no two alike, and the same each time."""
    return [-2.0 - math.sin(token * 12.9898 + at) for at, token in enumerate(target)]


def per_token(chance, length):
    return [chance.gauss(0, SCALE) for _ in range(length)]


def per_call(chance, length):
    return [chance.gauss(0, SCALE)] * length


def both(chance, length):
    return [a + b / 4 for a, b in zip(per_token(chance, length), per_call(chance, length), strict=True)]


def neighbours(chance, length):
    """Errors that go together over some ten tokens."""
    noise, error = [], chance.gauss(0, SCALE)
    for _ in range(length):
        error = 0.9 * error + chance.gauss(0, SCALE * math.sqrt(1 - 0.9**2))
        noise.append(error)
    return noise


def heavy_tailed(chance, length):
    """Student's t with three degrees of freedom."""
    return [
        SCALE * chance.gauss(0, 1) / math.sqrt(chance.gammavariate(1.5, 2.0) / 3.0) for _ in range(length)
    ]


def two_kernels(chance, length):
    """An engine that is exact but for which of two kernels the company of a request leads to."""
    return [SCALE * (at % 3) if chance.random() < 0.3 else 0.0 for at in range(length)]


KINDS = [per_token, per_call, both, neighbours, heavy_tailed, two_kernels]


def noisy(scripted, noise, seed):
    chance = random.Random(seed)

    def logprob(context, target):
        return [x + e for x, e in zip(truth(target), noise(chance, len(target)), strict=True)]

    return scripted(logprob=logprob)


def mean(values):
    return sum(values) / len(values)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_of_zero_differences_the_margin_lets_almost_none_pass(kind, seed, scripted) -> None:
    noise = asyncio.run(measure_noise(noisy(scripted, kind, seed)))
    chance = random.Random(seed + 1000)
    for length in LENGTHS:
        scores = [mean(kind(chance, length)) for _ in range(3 * NUM_TRIALS)]
        margin = noise.margin(length, candidates=2)
        wins = [scores[n] - min(scores[n + 1 : n + 3]) for n in range(0, len(scores), 3)]
        assert sum(win > margin for win in wins) < NUM_TRIALS / 200
        # What a margin would be that knew the noise: a difference that one in a thousand passes.
        differences = sorted(abs(a - b) for a, b in pairwise(scores))
        assert margin < 3 * differences[int(len(differences) * 0.999)]


def test_more_candidates_and_shorter_targets_need_more(scripted) -> None:
    noise = asyncio.run(measure_noise(noisy(scripted, per_token, 0)))
    margins = [noise.margin(length, 2) for length in (4, 16, 64, 256, 10_000)]
    assert margins == sorted(margins, reverse=True)
    assert margins[-1] == margins[-2] < margins[0] / 4
    assert noise.margin(256, 2) < noise.margin(256, 64)


def test_an_engine_that_repeats_itself_gets_the_floor(scripted) -> None:
    model = scripted(logprob=lambda context, target: truth(target))
    noise = asyncio.run(measure_noise(model))
    assert {noise.margin(length, 2) for length in LENGTHS} == {FLOOR} == {NO_NOISE.margin(9)}
    assert len(model.scored) == 32
    assert sum(len(context) + len(target) for context, target in model.scored) <= 32 * 800
    assert len({tuple(context) for context, _ in model.scored}) == 4
    assert len({len(target) for _, target in model.scored}) == 3  # each text in three lengths


def test_log_probs_of_16_bits_are_noisy_even_where_they_repeat(scripted) -> None:
    def rounded(context, target):
        return [-round(-x * 64) / 64 for x in truth(target)]  # eight bits for values of 2 to 4

    margin = asyncio.run(measure_noise(scripted(logprob=rounded))).margin(256, 2)
    error = (1 / 64) / math.sqrt(12) * math.sqrt(2 / 256)
    assert 2 * error < margin < 6 * error


@pytest.mark.parametrize("limit", [40, 250, 500])
def test_a_short_prompt_is_enough(limit, scripted) -> None:
    model = scripted(logprob=lambda context, target: truth(target), max_input_tokens=limit)
    if limit == 40:
        with pytest.raises(UserError, match="too short a prompt"):
            asyncio.run(measure_noise(model))
    else:
        assert asyncio.run(measure_noise(model)).margin(256) == FLOOR
        assert all(len(context) + len(target) <= limit for context, target in model.scored)


class Wrapped:
    """A scripted model as an engine: with the counters and the name that a connection wants."""

    def __init__(self, model, name="one 1") -> None:
        self.info, self.tokenizer, self.name, self.usage = model.info, model.tokenizer, name, Usage()
        self.score = model.score

    async def close(self) -> None:
        pass


def test_noise_is_measured_once_a_model_and_engine(scripted, tmp_path) -> None:
    def measure(model, name="one 1"):
        async def run():
            with closing(Store(tmp_path / "answers.sqlite")) as store:
                return await measure_noise(Connection(Wrapped(model, name), store))

        return asyncio.run(run())

    first, again, other = (noisy(scripted, both, seed) for seed in range(3))
    noise = measure(first)
    assert noise.margin(256) > FLOOR
    assert measure(again) == noise
    assert measure(other, "two 1") != noise
    assert (len(first.scored), len(again.scored), len(other.scored)) == (32, 0, 32)


def test_a_measurement_that_was_cut_off_goes_on(scripted, tmp_path) -> None:
    left = 20

    def logprob(context, target):
        nonlocal left
        left -= 1
        if left < 0:
            raise ModelError("status 500: out of\nmemory")
        return truth(target)

    async def run(model):
        with closing(Store(tmp_path / "answers.sqlite")) as store:
            return await measure_noise(Connection(Wrapped(model), store))

    with pytest.raises(UserError, match=r"noise of scripted's scores.*search\.margin") as caught:
        asyncio.run(run(scripted(logprob=logprob)))
    assert "\n" not in str(caught.value)
    left = 1000
    model = scripted(logprob=logprob)
    assert asyncio.run(run(model)).margin(256) == FLOOR
    assert len(model.scored) == 12


@pytest.mark.parametrize("kind", [per_token, per_call, heavy_tailed])
def test_noise_alone_is_no_reason_to_rewrite(kind, blueprint, scripted) -> None:
    """Rounds of rewrites that are worth what the current thought is worth, through the search itself."""
    model = noisy(scripted, kind, 7)
    model.answer = lambda messages, seed: f"I think of number {seed}."
    team = Team(blueprint, model, AgentOptions(), seed=0)
    options = SearchOptions(rounds=1, price=0.0)

    async def run():
        trajectory = await team.simulate()
        scorer = Scorer(model, noise=await measure_noise(model))
        scores = []
        while len(scores) < NUM_TRIALS:
            scores += (await refine(team, trajectory, scorer, options)).scores
        return scores

    scores = asyncio.run(run())
    assert sum(score["rounds_accepted"] for score in scores) < len(scores) / 200
    assert {score["margin"] > FLOOR for score in scores} == {True}


def test_a_margin_that_is_given_is_used(blueprint, scripted) -> None:
    model = scripted()
    team = Team(blueprint, model, AgentOptions(), seed=0)

    async def run(**options):
        return await refine(team, await team.simulate(), Scorer(model), SearchOptions(**options))

    assert {score["margin"] for score in asyncio.run(run(margin=0.25)).scores} == {0.25}
    assert {score["margin"] for score in asyncio.run(run()).scores} == {FLOOR}


def test_the_pocket_server_gets_the_floor(tiny_directory) -> None:
    from builder.llm import pocket_server

    async def run(url):
        async with connect(url, scoring=True) as model:
            return await measure_noise(model), model.usage

    with pocket_server(tiny_directory) as url:
        noise, usage = asyncio.run(run(url))
    assert noise.margin(256, 2) == FLOOR
    assert max(noise.largest.values()) < FLOOR  # not zero: the same tokens came in texts of other lengths
    assert usage.scored_tokens < 32 * 800
