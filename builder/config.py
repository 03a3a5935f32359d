"""What decides a build: the same for the command line, YAML files and ``load_dataset``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from builder.agents import AgentOptions
from builder.errors import UserError
from builder.llm import PATIENCE
from builder.search import SearchOptions
from builder.selection import SelectOptions
from builder.trajectory import DEFAULT_LOSS_ROLES


@dataclass(frozen=True)
class BudgetOptions:
    """What a build may use, over all times that it was started; it stops at whatever is reached first.

    Attributes:
        calls: Calls to servers, those that still wait for an answer included.
        tokens: Tokens that servers read, write or score.
        cost: Money, by the prices given.
        hours: Hours at work.
    """

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None
    hours: float | None = None


@dataclass(frozen=True)
class PriceOptions:
    """What a million tokens cost, in a currency of your choice.

    Attributes:
        prompt: Read by the generator.
        generated: Written by the generator.
        scored: Read by the scorer.
    """

    prompt: float = 0.0
    generated: float = 0.0
    scored: float = 0.0


@dataclass(frozen=True)
class ClusterOptions:
    """Where the tasks of an executor run.

    Attributes:
        tasks: Parts that the shards are dealt out to.
        at_once: Tasks that run at the same time; 0 for no limit.
        cpus_per_task: Cores of a task.
        memory_per_cpu: Memory for each of them, in GB.
        partition: Slurm's partition.
        time: Slurm's time limit.
        qos: Slurm's quality of service; empty for the default.
        environment: What a Slurm task runs first; by default it activates this Python environment.
        sbatch: More options for `sbatch`, by name.
    """

    tasks: int = 1
    at_once: int = 0
    cpus_per_task: int = 1
    memory_per_cpu: int = 4
    partition: str = ""
    time: str = "24:00:00"
    qos: str = ""
    environment: str = ""
    sbatch: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ThroughputOptions:
    """Tokens a second that one GPU does, as measured on yours.

    Attributes:
        prompt: Read by the generator.
        generated: Written by the generator.
        scored: Read by the scorer.
    """

    prompt: float | None = None
    generated: float | None = None
    scored: float | None = None


@dataclass(frozen=True)
class PlanOptions:
    """How a build is estimated.

    Attributes:
        sample: Repositories that are gone through without a model.
        answer_share: How much of what its call allows an answer uses: no dry run can know that.
        survey: Sources that are looked at, drawn at random; none given: all of them, as a build does it,
            which then need not.
        throughput: What one GPU does.
    """

    sample: int = 20
    answer_share: float = 0.6
    survey: int | None = None
    throughput: ThroughputOptions = field(default_factory=ThroughputOptions)

    def __post_init__(self) -> None:
        for name in ("sample", "survey"):
            number = getattr(self, name)
            if number is not None and number < 2:
                raise UserError(f"{name} must be at least 2, not {number}: one says nothing of the others")
        if not 0 < self.answer_share <= 1:
            raise UserError(f"answer_share must be above 0 and at most 1, not {self.answer_share:g}")
        for name, value in vars(self.throughput).items():
            if value is not None and value <= 0:
                raise UserError(f"throughput.{name} must be above 0, not {value:g}")


@dataclass(frozen=True)
class BuildConfig:
    """How repositories become rows.

    Attributes:
        llm: URL of the model server that writes and scores, or a list of those that serve the same model and
            share the calls evenly; none starts the embedded model.
        generator: URL or URLs of the server that writes, where it is not ``llm``.
        scorer: URL or URLs of the server that scores (the model to be trained), where it is not ``llm``.
        tokenizer: The scorer's tokenizer (a path or Hub id), where its model id does not lead to it.
        store: File that keeps every answer; by default one for all builds, in the cache.
        concurrency: Calls in flight to one server.
        patience: Seconds of waiting, over all retries of a call, after which it counts as failed. A server
            that is gone for most of that time ends the build.
        workers: Processes at work, each with as many calls in flight.
        repositories_per_shard: Repositories whose rows share a parquet file of each config and split.
        budget: What the build may use.
        prices: What tokens cost.
        configs: The configs that `build` writes, by name; none: all but those that must be asked for.
        select: Which repositories stay, and which of their files.
        agents: How the agents write.
        search: How thoughts are searched.
        loss_roles: The roles that carry loss.
        validation: Share of repositories that go to the validation split.
        test: Share of repositories that go to the test split.
        seed: Seed of every generation.
    """

    llm: str | list[str] | None = None
    generator: str | list[str] | None = None
    scorer: str | list[str] | None = None
    tokenizer: str | None = None
    store: str | None = None
    concurrency: int = 8
    patience: float = PATIENCE
    workers: int = 1
    repositories_per_shard: int = 64
    budget: BudgetOptions = field(default_factory=BudgetOptions)
    prices: PriceOptions = field(default_factory=PriceOptions)
    configs: tuple[str, ...] = ()
    select: SelectOptions = field(default_factory=SelectOptions)
    agents: AgentOptions = field(default_factory=AgentOptions)
    search: SearchOptions = field(default_factory=SearchOptions)
    loss_roles: tuple[str, ...] = tuple(sorted(DEFAULT_LOSS_ROLES))
    validation: float = 0.01
    test: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("concurrency", "workers", "repositories_per_shard"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("llm", "generator", "scorer"):
            value = getattr(self, name)
            urls = [value] if isinstance(value, str) else value
            # An empty list is some list of machines that came out empty, and no wish for the embedded model.
            if value is not None and not (
                isinstance(urls, list) and urls and all(isinstance(u, str) for u in urls)
            ):
                raise UserError(f"{name}: {value!r} is neither a URL, http://host:port, nor a list of URLs")

    @property
    def generator_url(self) -> str | list[str] | None:
        return self.generator or self.llm

    @property
    def scorer_url(self) -> str | list[str] | None:
        return self.scorer or self.llm

    @property
    def calls_at_once(self) -> int:
        """Calls that keep all servers of the busier end at work."""
        ends = (self.generator_url, self.scorer_url)
        return self.concurrency * max(len(end) if isinstance(end, list) else 1 for end in ends)


_PARTS: dict[str, Any] = {
    "agents": AgentOptions,
    "budget": BudgetOptions,
    "prices": PriceOptions,
    "search": SearchOptions,
    "select": SelectOptions,
}


def from_dict(values: dict[str, Any]) -> BuildConfig:
    """A ``BuildConfig`` from plain values, as they stand in YAML. ``UserError`` for what does not fit."""
    known = {entry.name for entry in fields(BuildConfig)}
    if unknown := sorted(set(values) - known):
        raise UserError(f"unknown option {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    try:
        parts: dict[str, Any] = {}
        for name, kind in _PARTS.items():
            if isinstance(value := values.get(name), dict):
                parts[name] = kind(**{key: _frozen(part) for key, part in value.items()})
        for name in ("configs", "loss_roles"):
            if name in values:
                parts[name] = tuple(values[name])
        return BuildConfig(**{**values, **parts})
    except (TypeError, ValueError) as error:
        raise UserError(f"bad configuration: {error}") from None


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
