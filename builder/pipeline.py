"""The whole path on one page: a repository in, training rows out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from builder.agents import Team, debug, num_debug_calls, prompts_hash
from builder.cache import cache_home
from builder.config import BuildConfig
from builder.errors import UserError
from builder.llm import Connection, Model, connect, pocket_server
from builder.repository import Repository
from builder.rows import DEFAULT_CONFIGS, Provenance, messages_row, raw_row, row_id, trajectory_row
from builder.search import (
    NO_NOISE,
    Budget,
    Noise,
    Refined,
    Scorer,
    measure_noise,
    num_search_calls,
    refine,
    refine_at_random,
    refine_debugging,
)
from builder.structure import Blueprint, analyze
from builder.trajectory import Trajectory

T = TypeVar("T")


@dataclass(frozen=True)
class Models:
    """The two ends of a build, which may be one and the same, and the noise of the scorer's scores."""

    generator: Model
    scorer: Model
    noise: Noise = NO_NOISE


@dataclass
class Reconstruction:
    """What came of one repository: a row for each config, and the log of the search."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)

    def of(self, config: str) -> list[dict[str, Any]]:
        """The rows of ``config``, one of ``BUILDABLE_CONFIGS`` that was wanted."""
        if config == "messages":
            return [messages_row(self.rows["repo2agent-search"])]
        return self.log if config == "search-log" else [self.rows[config]]


class Calls:
    """How many calls are ``expected`` so far, and how many ``finished``; a part counts in its whole too."""

    def __init__(self, whole: Calls | None = None) -> None:
        self._whole = whole
        self.expected = self.finished = 0

    def expect(self, number: int) -> None:
        self.expected += number
        if self._whole is not None:
            self._whole.expect(number)

    def done(self) -> None:
        self.finished += 1
        if self._whole is not None:
            self._whole.done()

    def settle(self) -> None:
        """Nothing more will come: calls that turned out not to be needed are expected no longer."""
        self.expect(self.finished - self.expected)


async def reconstruct(
    repository: Repository | Blueprint,
    models: Models,
    config: BuildConfig,
    wanted: Collection[str] = DEFAULT_CONFIGS,
    progress: Calls | None = None,
) -> Reconstruction:
    """Rebuild one repository: its structure, the work of the agents, the search, and a row of each.

    Goes no further than the configs ``wanted`` need. ``progress`` counts calls. Calls that failed for good
    are named in the rows' ``notes``.
    """
    blueprint = repository if isinstance(repository, Blueprint) else analyze(repository)
    result = Reconstruction()
    provenance = Provenance(
        generator=model_name(models.generator),
        scorer=model_name(models.scorer),
        prompts=prompts_hash(),
        seed=config.seed,
        version=version("repo2agent"),
    )
    common = (blueprint, provenance, models.scorer.tokenizer, config.loss_roles)
    memo: dict[str, list[int]] = {}  # every text of this repository is tokenised once
    result.rows["raw-repos"] = raw_row(*common, memo)
    with _counting(progress) as calls:
        team = Team(blueprint, models.generator, config.agents, config.seed, calls.done)
        nobody = replace(provenance, generator="", prompts="")
        result.rows["spec-only"] = trajectory_row(team.structure(), blueprint, nobody, *common[2:], memo=memo)
        if set(wanted) <= {"raw-repos", "spec-only"}:
            return result

        def add(name: str, found: Refined, notes: Sequence[str]) -> None:
            """The row ``name``, after what went wrong on the way there, and its part of the log."""
            notes = [*notes, *found.notes]
            result.rows[name] = trajectory_row(found.trajectory, *common, found.scores, notes, memo)
            known = {"id": row_id(blueprint), "config": name, "seed": config.seed}
            result.log += [{**known, **entry} for entry in found.log]

        calls.expect(team.num_calls())
        trajectory = await team.simulate()
        notes = list(team.notes)
        add("repo2agent", Refined(trajectory), notes)
        to_debug = {"repo2agent-debug": (trajectory, notes)}
        scorer = Scorer(models.scorer, config.search.context_tokens, models.noise, memo)
        budget = Budget(config.search)
        if searches(wanted):
            num_calls = num_search_calls(_count(trajectory, "design"), config.search)
            calls.expect(num_calls)
            refined = await refine(team, trajectory, scorer, config.search, calls.done, budget)
            add("repo2agent-search", refined, notes)
            to_debug["repo2agent-search-debug"] = refined.trajectory, [*notes, *refined.notes]
            if "repo2agent-random" in wanted:
                calls.expect(num_calls)
                walk = await refine_at_random(team, trajectory, refined, scorer, config.search, calls.done)
                add("repo2agent-random", walk, notes)

        for name, (finished, notes) in to_debug.items():
            if name in wanted:
                calls.expect(num_debug_calls(finished))
                debugged = await debug(team, finished)
                found = Refined(debugged.trajectory, notes=debugged.notes)
                if name == "repo2agent-search-debug":
                    calls.expect(num_search_calls(_count(debugged.trajectory, "debug"), config.search))
                    found = await refine_debugging(team, debugged, scorer, config.search, calls.done, budget)
                # The scores of the design thoughts are those of another row's text, and stand there.
                add(name, found, notes)
    return result


async def reconstruct_all(
    repositories: Sequence[Repository], config: BuildConfig, wanted: Collection[str] = DEFAULT_CONFIGS
) -> list[Reconstruction]:
    """Reconstruct ``repositories`` side by side, in their order, with the models that ``config`` names.

    For a few of them, in memory; ``builder.scale`` writes rows as they come, and goes on where it was.
    """
    results: dict[int, Reconstruction] = {}
    async with open_models(config, wanted) as models:

        async def one(numbered: tuple[int, Repository]) -> None:
            results[numbered[0]] = await reconstruct(numbered[1], models, config, wanted)

        # The longest chains of calls first: whoever is left at the end works alone.
        numbered = sorted(enumerate(repositories), key=lambda pair: -len(pair[1].files))
        await side_by_side(numbered, config.calls_at_once, one)
    return [results[number] for number in sorted(results)]


async def side_by_side(items: Iterable[T], concurrency: int, work: Callable[[T], Awaitable[None]]) -> None:
    """``work`` on all ``items``, which are taken as their turn comes: as many as keep servers busy.

    The search of a repository is a chain of calls that wait for one another, so it takes as many of them as
    calls: 98 % of a server's time, against 68 % with a fourth as many. One more is being read or written.
    """
    waiting = iter(items)

    async def runner() -> None:
        for item in waiting:
            await work(item)

    tasks = [asyncio.ensure_future(runner()) for _ in range(concurrency + 1)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def usage_of(models: Models) -> dict[str, Any]:
    """The counters of both ends, or of the one that is both."""
    ends = {"generator": models.generator, "scorer": models.scorer}
    if models.generator is models.scorer:
        del ends["scorer"]
    return {name: asdict(model.usage) for name, model in ends.items() if isinstance(model, Connection)}


@contextmanager
def serving(config: BuildConfig) -> Iterator[BuildConfig]:
    """``config`` with a URL for both ends: where one is missing, the embedded model serves it meanwhile."""
    if config.generator_url and config.scorer_url:
        yield config
        return
    with pocket_server() as url:
        yield replace(config, llm=config.llm or url)


@asynccontextmanager
async def open_models(
    config: BuildConfig, wanted: Collection[str] = DEFAULT_CONFIGS
) -> AsyncIterator[Models]:
    """Connect to the generator and the scorer that ``config`` names; checks that the scorer scores.

    Measures the noise of the scores where a config ``wanted`` needs the search and no margin is given.
    """
    if not (config.generator_url and config.scorer_url):
        raise UserError("no model server: give llm=http://…, or call this within serving(config)")
    store = store_path(config)
    one = config.generator_url == config.scorer_url
    async with connect(
        config.scorer_url,
        store=store,
        tokenizer=config.tokenizer,
        concurrency=config.concurrency,
        patience=config.patience,
        scoring=True,
    ) as scorer:
        other = (
            nullcontext(scorer)
            if one
            else connect(
                config.generator_url,
                store=store,
                concurrency=config.concurrency,
                patience=config.patience,
                scoring=False,
            )
        )
        async with other as generator:
            measured = config.search.margin is None and searches(wanted)
            yield Models(generator, scorer, await measure_noise(scorer) if measured else NO_NOISE)


def store_path(config: BuildConfig) -> Path:
    """Where the answers of the models are kept."""
    return Path(config.store) if config.store else cache_home() / "answers.sqlite"


def searches(wanted: Collection[str]) -> bool:
    """Whether one of the configs ``wanted`` is made of searched thoughts."""
    return not set(wanted) <= {"raw-repos", "spec-only", "repo2agent", "repo2agent-debug"}


def _count(trajectory: Trajectory, kind: str) -> int:
    return sum(step.kind == kind for step in trajectory.steps)


def model_name(model: Model) -> str:
    """``id@revision``; a model served from a folder goes by the folder's name, not by its place on a disk."""
    info = model.info
    name = Path(info.model_id).name if Path(info.model_id).is_absolute() else info.model_id
    return f"{name}@{info.revision}" if info.revision else name


@contextmanager
def _counting(whole: Calls | None) -> Iterator[Calls]:
    calls = Calls(whole)
    yield calls
    calls.settle()
