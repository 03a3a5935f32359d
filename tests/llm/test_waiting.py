"""Grounded files are independent: a repository takes as long as its longest chain of calls."""

from __future__ import annotations

import asyncio
import time

from builder.agents import AgentOptions, Team
from builder.llm import connect
from builder.structure import analyze

SECONDS = 1.0  # that the server takes for a call
CHAIN = 3  # requirement, purpose, thought


def test_forty_files_take_as_long_as_the_longest_chain(fake_tgi, make_repository, tmp_path):
    files = {f"m{n:02}.py": f"import m{n - 1:02}\n\n\ndef f(): ...\n" for n in range(1, 40)}
    blueprint = analyze(make_repository(files | {"m00.py": "def f(): ...\n"}))

    async def simulate() -> float:
        async with fake_tgi() as fake:
            fake.info["max_concurrent_requests"] = 128
            honest = fake.handler

            async def slow(request):
                await asyncio.sleep(SECONDS)
                return await honest(request)

            fake.handler = slow
            store = tmp_path / "answers.sqlite"
            async with connect(fake.url, store=store, concurrency=128, scoring=False) as model:
                team = Team(blueprint, model, AgentOptions(), seed=0)
                start = time.perf_counter()
                await team.simulate()
                seconds = time.perf_counter() - start
        assert not team.notes
        assert len(fake.requests) == team.num_calls() == 2 + 40 + 40 + 39
        return seconds

    seconds = asyncio.run(simulate())
    assert seconds < 1.5 * CHAIN * SECONDS
