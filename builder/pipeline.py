"""The whole path on one page: a repository in, training rows out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from builder.agents import Team, debug, num_debug_calls, prompts_hash
from builder.cache import cache_home
from builder.config import BuildConfig
from builder.errors import UserError
from builder.llm import Connection, Model, connect, pocket_server
from builder.repository import Repository, identify, load
from builder.rows import (
    BUILDABLE_CONFIGS,
    DEFAULT_CONFIGS,
    Provenance,
    messages_row,
    raw_row,
    row_id,
    split_of,
    trajectory_row,
)
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
from builder.structure import analyze
from builder.trajectory import Trajectory

logger = logging.getLogger(__name__)

OnUsage = Callable[[dict[str, Any]], None]


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


async def reconstruct(
    repository: Repository,
    models: Models,
    config: BuildConfig,
    wanted: Collection[str] = DEFAULT_CONFIGS,
    progress: tqdm | None = None,
) -> Reconstruction:
    """Rebuild one repository: its structure, the work of the agents, the search, and a row of each.

    Goes no further than the configs ``wanted`` need. ``progress`` counts calls. Calls that failed for good
    are named in the rows' ``notes``.
    """
    blueprint = analyze(repository)
    result = Reconstruction()
    provenance = Provenance(
        generator=_name(models.generator),
        scorer=_name(models.scorer),
        prompts=prompts_hash(),
        seed=config.seed,
        version=version("repo2agent"),
    )
    common = (blueprint, provenance, models.scorer.tokenizer, config.loss_roles)
    result.rows["raw-repos"] = raw_row(*common)
    with _counting(progress) as calls:
        team = Team(blueprint, models.generator, config.agents, config.seed, calls.done)
        nobody = replace(provenance, generator="", prompts="")
        result.rows["spec-only"] = trajectory_row(team.structure(), blueprint, nobody, *common[2:])
        if set(wanted) <= {"raw-repos", "spec-only"}:
            return result

        def add(name: str, found: Refined, notes: Sequence[str]) -> None:
            """The row ``name``, after what went wrong on the way there, and its part of the log."""
            notes = [*notes, *found.notes]
            result.rows[name] = trajectory_row(found.trajectory, *common, found.scores, notes)
            known = {"id": row_id(blueprint), "config": name, "seed": config.seed}
            result.log += [{**known, **entry} for entry in found.log]

        calls.expect(team.num_calls())
        trajectory = await team.simulate()
        notes = list(team.notes)
        add("repo2agent", Refined(trajectory), notes)
        to_debug = {"repo2agent-debug": (trajectory, notes)}
        scorer = Scorer(models.scorer, config.search.context_tokens, models.noise)
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


def build(
    sources: Sequence[str], config: BuildConfig, on_usage: OnUsage | None = None
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Reconstruct all ``sources``: config -> split -> rows, in the order of the sources.

    Interrupted and started again, it asks for nothing that the store holds. ``on_usage`` is told at the end,
    whatever that is, what the models were asked for.
    """
    if unknown := sorted(set(config.configs) - set(BUILDABLE_CONFIGS)):
        raise UserError(f"no config {', '.join(unknown)}; there are {', '.join(BUILDABLE_CONFIGS)}")
    wanted = [name for name in BUILDABLE_CONFIGS if name in (config.configs or DEFAULT_CONFIGS)]
    repositories = load_all(sources, alone=len(sources) == 1)
    if not repositories:
        raise UserError(f"none of the {len(sources)} repositories could be read; see the lines above")
    splits = [split_of(repository.identity, config.validation, config.test) for repository in repositories]
    with serving(config) as config:
        results = reconstruct_all(repositories, config, wanted, on_usage)
    tables: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in wanted}
    for split, result in zip(splits, results, strict=True):
        for name in wanted:
            tables[name].setdefault(split, []).extend(result.of(name))
    return tables


def load_all(sources: Sequence[str], *, alone: bool) -> list[Repository]:
    """Read ``sources``. One that cannot be read is left out, with a warning that says why.

    Raises ``UserError`` for a name that leads nowhere, and for any that cannot be read where it is ``alone``.
    """
    for source in sources:
        identify(source)  # a wrong name ends the build before anything is read
    repositories = []
    for source in sources:
        try:
            repositories.append(load(source))
        except UserError as error:
            if alone:
                raise
            logger.warning("left out: %s", error)
    return repositories


def reconstruct_all(
    repositories: Sequence[Repository],
    config: BuildConfig,
    wanted: Collection[str] = DEFAULT_CONFIGS,
    on_usage: OnUsage | None = None,
) -> list[Reconstruction]:
    """Reconstruct ``repositories`` side by side, in their order, with the models that ``config`` names."""
    work = _reconstruct_all(repositories, config, wanted, on_usage)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    # A notebook's thread has an event loop that is running already, and takes no second one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _reconstruct_all(
    repositories: Sequence[Repository],
    config: BuildConfig,
    wanted: Collection[str],
    on_usage: OnUsage | None = None,
) -> list[Reconstruction]:
    began = time.monotonic()
    # The search of a repository is a chain of calls that wait for one another, so it takes as many of them as
    # calls to keep a server busy: 98 % of the time, against 68 % with a fourth as many. The longest chains
    # come first: whoever is left at the end works alone.
    room = asyncio.Semaphore(max(2, config.concurrency))
    longest_first = sorted(range(len(repositories)), key=lambda number: -len(repositories[number].files))
    async with open_models(config, wanted) as models:
        with tqdm(desc="model calls", unit="call", total=0) as progress:

            async def one(repository: Repository) -> Reconstruction:
                async with room:
                    return await reconstruct(repository, models, config, wanted, progress)

            tasks = {number: asyncio.ensure_future(one(repositories[number])) for number in longest_first}
            try:
                return await asyncio.gather(*(tasks[number] for number in range(len(repositories))))
            finally:
                for task in tasks.values():
                    task.cancel()
                if on_usage is not None:
                    on_usage(_usage(models, time.monotonic() - began))


def _usage(models: Models, seconds: float) -> dict[str, Any]:
    """Seconds of the whole, and the counters of both ends, or of the one that is both."""
    ends = {"generator": models.generator, "scorer": models.scorer}
    if models.generator is models.scorer:
        del ends["scorer"]
    counted = {name: asdict(model.usage) for name, model in ends.items() if isinstance(model, Connection)}
    return {"seconds": seconds, **counted}


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
    store = Path(config.store) if config.store else cache_home() / "answers.sqlite"
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


def searches(wanted: Collection[str]) -> bool:
    """Whether one of the configs ``wanted`` is made of searched thoughts."""
    return not set(wanted) <= {"raw-repos", "spec-only", "repo2agent", "repo2agent-debug"}


def _count(trajectory: Trajectory, kind: str) -> int:
    return sum(step.kind == kind for step in trajectory.steps)


def identity_split(source: str, config: BuildConfig) -> str:
    """The split of a source, known without reading it."""
    return split_of(identify(source), config.validation, config.test)


def _name(model: Model) -> str:
    """``id@revision``; a model served from a folder goes by the folder's name, not by its place on a disk."""
    info = model.info
    name = Path(info.model_id).name if Path(info.model_id).is_absolute() else info.model_id
    return f"{name}@{info.revision}" if info.revision else name


class _Calls:
    """Calls of one repository on a shared bar. Calls that turn out not to be needed count as done."""

    def __init__(self, bar: tqdm | None) -> None:
        self.bar, self.expected, self.finished = bar, 0, 0

    def expect(self, number: int) -> None:
        self.expected += number
        if self.bar is not None:
            self.bar.total += number
            self.bar.refresh()

    def done(self) -> None:
        self.finished += 1
        if self.bar is not None:
            self.bar.update()


@contextmanager
def _counting(bar: tqdm | None) -> Iterator[_Calls]:
    calls = _Calls(bar)
    yield calls
    if bar is not None:
        bar.total -= calls.expected - calls.finished
        bar.refresh()
