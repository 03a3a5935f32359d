"""Search: thoughts are rewritten until the real code becomes more likely.

Greedy coordinate descent. Thoughts are visited in the order of the document, so every decision is made
in the context that the final row has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from builder.agents import Team
from builder.search.options import SearchOptions
from builder.search.scoring import Scorer
from builder.search.thought import CONTROLS, ThoughtSearch, rewrites
from builder.trajectory import Trajectory


@dataclass
class Refined:
    """A trajectory after the search: ``scores`` as in the row schema, ``log`` as in ``search-log``."""

    trajectory: Trajectory
    scores: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)


async def refine(
    team: Team,
    trajectory: Trajectory,
    scorer: Scorer,
    options: SearchOptions,
    on_call: Callable[[], None] = lambda: None,
) -> Refined:
    """Search over the design thoughts of ``trajectory``. A call that fails costs the thought it was for."""
    refined = Refined(trajectory)
    designs = [number for number, step in enumerate(trajectory.steps) if step.kind == "design"]
    # The first round depends on nothing but the first thoughts: let all its rewrites be written at once.
    first_round = {
        number: asyncio.ensure_future(rewrites(team, trajectory.steps[number], 1, options))
        for number in designs
        if options.rounds
    }
    try:
        for place, number in enumerate(designs):
            # The thought of another file, as it was first written: a control must not improve meanwhile.
            other = trajectory.steps[designs[place - 1]].text if len(designs) > 1 else ""
            search = ThoughtSearch(team, refined.trajectory, number, scorer, options, on_call)
            record = await search.run(other, first_round.get(number))
            refined.trajectory = search.trajectory
            refined.log += search.log
            refined.scores += [record] if record else []
    finally:
        for task in first_round.values():
            task.cancel()
    return _without_empty_steps(refined)


def _without_empty_steps(refined: Refined) -> Refined:
    """Thoughts that were taken out stand as empty steps while the search runs; now they go for good."""
    kept = [n for n, step in enumerate(refined.trajectory.steps) if step.kind != "design" or step.text]
    place = {number: new for new, number in enumerate(kept)}
    steps = tuple(refined.trajectory.steps[number] for number in kept)
    return Refined(
        replace(refined.trajectory, steps=steps),
        [{**score, "step": place[score["step"]]} for score in refined.scores],
        [{**entry, "step": place.get(entry["step"], -1)} for entry in refined.log],
    )


def num_search_calls(num_thoughts: int, options: SearchOptions) -> int:
    """How many calls ``refine`` makes at most: controls, first score, rewrites and their scores."""
    return num_thoughts * (len(CONTROLS) + 1 + 2 * options.candidates * options.rounds)
