"""A build keeps a server of fixed speed busy, whatever its repositories' sizes; in virtual time.

What the client's own work costs beside that is measured by `make bench-throughput`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from fake_tgi import WORDS, Speed
from virtual_time import virtually

from builder import pipeline
from builder.config import BuildConfig
from builder.llm import ModelInfo
from builder.llm.calls import PATIENCE, Caller
from builder.llm.usage import Usage
from builder.rows import DEFAULT_CONFIGS
from builder.search import SearchOptions

RATE, ALONE = 800.0, 100.0  # tokens a second: for all calls together, and for one at most


class FixedSpeed:
    """A model behind a server of fixed speed, with the pace and the retries of every other server."""

    info = ModelInfo("fixed", "1", 1500, 2000)

    def __init__(self, tokenizer, concurrency):
        self.tokenizer = tokenizer
        self.speed = Speed(RATE, ALONE)
        self.tokens = 0.0
        self.caller = Caller(
            "http://server", Usage(), concurrency=concurrency, patience=PATIENCE, probe=self._spend
        )

    async def _spend(self, tokens=0.0):
        self.tokens += tokens
        await self.speed.spend(tokens)

    async def generate(self, messages, *, max_tokens, temperature=0.0, seed=0):
        words = random.Random(seed).sample(WORDS, max_tokens // 4)
        await self.caller.call("/generate", lambda: self._spend(20 + len(words)))
        return f"I {' '.join(words)}."

    async def score(self, context, target):
        await self.caller.call("/score", lambda: self._spend((len(context) + len(target)) / 20))
        dice = random.Random(repr((context, target)))
        return [-dice.random() for _ in target]


@pytest.fixture
def repositories(make_repository):
    """12 repositories of two to eight files that import one another."""
    return [
        make_repository(
            {
                f"part{n}.py": "".join(f"import part{other}\n" for other in {n // 2, n - 1} - {n, -1})
                + f"\n\ndef total{n}(values):\n    weighted = [value * {n} for value in values]\n"
                "    return sum(weighted)\n"
                for n in range(2 + 5 * number % 7)
            }
        )
        for number in range(12)
    ]


def test_a_build_keeps_a_server_of_fixed_speed_busy(repositories, bytes_tokenizer, monkeypatch) -> None:
    config = BuildConfig(concurrency=8, search=SearchOptions(rounds=2, margin=1e-5))
    model = FixedSpeed(bytes_tokenizer, config.concurrency)

    @contextlib.asynccontextmanager
    async def open_models(config, wanted):
        yield pipeline.Models(model, model)

    monkeypatch.setattr(pipeline, "open_models", open_models)

    async def run() -> float:
        await pipeline.reconstruct_all(repositories, config, DEFAULT_CONFIGS)
        return asyncio.get_running_loop().time()

    seconds = virtually(run())
    assert model.tokens > 0.95 * RATE * seconds
