"""What decides a build: the same for the command line, YAML files and ``load_dataset``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from builder.agents import AgentOptions
from builder.errors import UserError
from builder.llm import PATIENCE
from builder.search import SearchOptions
from builder.trajectory import DEFAULT_LOSS_ROLES


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
        configs: The configs that `build` writes, by name; none: all but those that must be asked for.
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
    configs: tuple[str, ...] = ()
    agents: AgentOptions = field(default_factory=AgentOptions)
    search: SearchOptions = field(default_factory=SearchOptions)
    loss_roles: tuple[str, ...] = tuple(sorted(DEFAULT_LOSS_ROLES))
    validation: float = 0.01
    test: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
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


def from_dict(values: dict[str, Any]) -> BuildConfig:
    """A ``BuildConfig`` from plain values, as they stand in YAML. ``UserError`` for what does not fit."""
    known = {entry.name for entry in fields(BuildConfig)}
    if unknown := sorted(set(values) - known):
        raise UserError(f"unknown option {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    try:
        parts: dict[str, Any] = {}
        for name, kind in (("agents", AgentOptions), ("search", SearchOptions)):
            if isinstance(value := values.get(name), dict):
                parts[name] = kind(**value)
        for name in ("configs", "loss_roles"):
            if name in values:
                parts[name] = tuple(values[name])
        return BuildConfig(**{**values, **parts})
    except (TypeError, ValueError) as error:
        raise UserError(f"bad configuration: {error}") from None
