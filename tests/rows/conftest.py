"""What the tests of rows share: the three-file repository, searched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from builder.agents import AgentOptions, Team
from builder.rows import Provenance, row_id, trajectory_row
from builder.search import Scorer, SearchOptions, refine
from builder.trajectory import DEFAULT_LOSS_ROLES

Searched = tuple[dict[str, Any], list[dict[str, Any]]]  # a row and the entries of its log


@pytest.fixture(scope="session")
def search(blueprint, bytes_tokenizer, scripted) -> Callable[..., Searched]:
    """``search(answer=…, logprob=…)``: the row of the three-file repository, and its log."""

    def run(**options: Any) -> Searched:
        model = scripted(**options)

        async def refined():
            team = Team(blueprint, model, AgentOptions(), seed=0)
            return await refine(team, await team.simulate(), Scorer(model), SearchOptions())

        result = asyncio.run(refined())
        provenance = Provenance("writer@1", "scorer@1", "prompts", 0, "0")
        row = trajectory_row(
            result.trajectory, blueprint, provenance, bytes_tokenizer, DEFAULT_LOSS_ROLES, result.scores
        )
        known = {"id": row_id(blueprint), "config": "repo2agent-search", "seed": 0}
        return row, [{**known, **entry} for entry in result.log]

    return run


@pytest.fixture(scope="session")
def searched(search) -> Searched:
    """Thoughts are short, and each of them is liked a little more than the last."""
    sentences = ["I keep it small", "I begin with the sum of what comes in", "I add what fits, one by one"]
    liked = -2.0

    def logprob(context, target):
        nonlocal liked
        liked += 0.01
        return [liked] * len(target)

    return search(
        answer=lambda messages, seed: f"{sentences[seed % 3]}, in {seed % 97} ways.\n", logprob=logprob
    )
