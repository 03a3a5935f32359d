"""Search: thoughts are rewritten until the real code becomes more likely.

Greedy coordinate descent. Thoughts are visited in the order of the document, so every decision is made
in the context that the final row has.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from builder.agents import Debugged, Team
from builder.search.budget import Budget
from builder.search.options import SearchOptions
from builder.search.scoring import Scorer
from builder.search.thought import CONTROLS, Rewriter, ThoughtSearch
from builder.trajectory import Step, Trajectory


@dataclass
class Refined:
    """A trajectory after the search: ``scores`` as in the row schema, ``log`` as in ``search-log``.

    ``notes`` name the calls that failed, the thoughts that were taken out, and what the budget left undone.
    """

    trajectory: Trajectory
    scores: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    """One thought to be searched: where it stands, how it is rewritten, and what its sub-agent has seen."""

    number: int
    rewriter: Rewriter
    page: Sequence[str] = ()


Called = Callable[[], None]


async def refine(
    team: Team,
    trajectory: Trajectory,
    scorer: Scorer,
    options: SearchOptions,
    on_call: Called = lambda: None,
    budget: Budget | None = None,
) -> Refined:
    """Search over the design thoughts of ``trajectory``. A call that fails costs the thought it was for.

    Searches of one repository may share a ``budget``.
    """
    team = team.with_own_notes()
    walk = _Walk(team, scorer, budget or Budget(options), on_call)
    return await walk.along(trajectory, _designs(team, trajectory))


async def refine_at_random(
    team: Team,
    trajectory: Trajectory,
    searched: Refined,
    scorer: Scorer,
    options: SearchOptions,
    on_call: Called = lambda: None,
) -> Refined:
    """What ``refine`` made of ``trajectory``, with as many rewrites in the same rounds, taken at random.

    The control of the search itself: what it gains beyond this comes from choosing, not from rewriting. The
    leakage guard and the cap on length hold here too. No budget: what ``searched`` did bounds it.
    """
    taken: dict[str, set[int]] = defaultdict(set)
    for entry in searched.log:
        if entry["round"] > 0 and entry["accepted"]:
            taken[entry["path"]].add(entry["round"])
    team = team.with_own_notes()
    walk = _Walk(team, scorer, Budget(options.without_budget()), on_call, at_random=taken)
    return await walk.along(trajectory, _designs(team, trajectory))


async def refine_debugging(
    team: Team,
    debugged: Debugged,
    scorer: Scorer,
    options: SearchOptions,
    on_call: Called = lambda: None,
    budget: Budget | None = None,
) -> Refined:
    """As ``refine``, over the debug thoughts that carry loss: those about what the real file is free of.

    Its notes begin with those of ``debugged``.
    """
    team = team.with_own_notes()
    team.notes += debugged.notes
    steps = debugged.trajectory.steps
    tasks = []
    page: list[str] = []
    for number, step in enumerate(steps):
        if step.kind == "draft":
            page = []
        if step.kind in ("draft", "check"):
            page.append(step.text)
        if step.kind == "debug" and step.resolved:
            values = debugged.values[step.path, step.defect]
            tasks.append(_Task(number, Rewriter(team, "rewrite_debug", values, step.defect), tuple(page)))
    walk = _Walk(team, scorer, budget or Budget(options), on_call)
    return await walk.along(debugged.trajectory, tasks)


def num_search_calls(num_thoughts: int, options: SearchOptions) -> int:
    """How many calls a search makes at most: controls, first score, rewrites and their scores."""
    return num_thoughts * (len(CONTROLS) + 1 + 2 * options.candidates * options.rounds)


def _designs(team: Team, trajectory: Trajectory) -> list[_Task]:
    return [
        _Task(number, Rewriter(team, *team.rewriting(step)))
        for number, step in enumerate(trajectory.steps)
        if step.kind == "design"
    ]


@dataclass
class _Walk:
    """Goes from thought to thought. With ``at_random``, rounds by path are those that take a rewrite."""

    team: Team
    scorer: Scorer
    budget: Budget
    on_call: Called
    at_random: Mapping[str, Collection[int]] | None = None

    async def along(self, trajectory: Trajectory, tasks: Sequence[_Task]) -> Refined:
        refined = Refined(trajectory, notes=self.team.notes)
        steps = [trajectory.steps[task.number] for task in tasks]
        first_round = self._first_round(steps, tasks)
        searches = []
        try:
            for place, (task, step) in enumerate(zip(tasks, steps, strict=True)):
                search = ThoughtSearch(
                    refined.trajectory,
                    task.number,
                    task.rewriter,
                    self.scorer,
                    self.budget,
                    self.on_call,
                    task.page,
                )
                first = first_round.get(task.number)
                await search.run(
                    _another(place, steps),
                    first,
                    None if self.at_random is None else self.at_random.get(step.path, ()),
                )
                if first is not None:
                    await first  # also where nobody looked at it: what fails of it is noted, each time
                refined.trajectory = search.trajectory
                refined.log += search.log
                searches.append(search)
        finally:
            for pending in first_round.values():
                pending.cancel()
        entries = [await search.entry(refined.trajectory) for search in searches]
        refined.scores = [entry for entry in entries if entry is not None]
        num_whole = sum(search.whole for search in searches)
        if num_whole < len(tasks):
            refined.notes.append(
                f"search: ended by its budget of {self.budget.spent}; {num_whole} of {len(tasks)} thoughts "
                "were searched to the end"
            )
        return _without_empty_steps(refined)

    def _first_round(
        self, steps: Sequence[Step], tasks: Sequence[_Task]
    ) -> dict[int, asyncio.Future[list[str]]]:
        """The first round depends on nothing but the first thoughts: let all its rewrites be written at once.

        Not under a budget, which might end before most of them are looked at.
        """
        options = self.budget.options
        if not options.rounds or self.budget.limited or self.at_random is not None:
            return {}
        return {
            task.number: asyncio.ensure_future(task.rewriter.rewrites(step.text, 1, options))
            for step, task in zip(steps, tasks, strict=True)
        }


def _another(place: int, steps: Sequence[Step]) -> str:
    """The thought of another file, the one before, as first written: a control must not improve meanwhile."""
    before, after = reversed(steps[:place]), reversed(steps[place + 1 :])
    return next((other.text for other in chain(before, after) if other.path != steps[place].path), "")


def _without_empty_steps(refined: Refined) -> Refined:
    """Thoughts that were taken out stand as empty steps while the search runs; now they go for good."""
    steps = refined.trajectory.steps
    kept = [n for n, step in enumerate(steps) if step.kind not in ("design", "debug") or step.text]
    place = {number: new for new, number in enumerate(kept)}
    return replace(
        refined,
        trajectory=replace(refined.trajectory, steps=tuple(steps[number] for number in kept)),
        scores=[{**score, "step": place[score["step"]]} for score in refined.scores],
        log=[{**entry, "step": place.get(entry["step"], -1)} for entry in refined.log],
    )
