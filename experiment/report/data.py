"""What an experiment found (``experiment.json``), as the report reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from builder import UserError

VERSION = 1
FIRST_MEASURE = "reconstruction/dependencies"
PLAIN, METHOD, UNSEARCHED = "raw-repos", "repo2agent-search", "repo2agent"


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference with its 95 % interval, and what was resampled for it."""

    value: float
    low: float
    high: float
    num_seeds: int
    num_groups: int
    by_file: bool = False


@dataclass(frozen=True)
class Measure:
    """One measure of one model. ``items`` have id, group, value and weight; ``value`` is their mean."""

    name: str
    title: str
    unit: str
    better: str  # "lower" or "higher"
    value: float
    interval: tuple[float, float] | None
    items: Sequence[Mapping[str, Any]]
    source: Mapping[str, Any]
    reference: Mapping[str, float] | None  # the paper's values by its arms
    notes: Sequence[str] = ()

    @cached_property
    def is_finite(self) -> bool:
        """Whether every value is a number: a model that diverged has values that are not."""
        return all(math.isfinite(item["value"]) for item in self.items)

    @cached_property
    def num_groups(self) -> int:
        """How many repositories or problems the items are of."""
        return len({item["group"] for item in self.items})


@dataclass(frozen=True)
class Run:
    """One training of an arm (or none, for the untrained model) and how its model was measured."""

    seed: int
    total_tokens: int
    trained_tokens: int
    unique_code_tokens: int
    steps: int | None
    epochs: float | None
    log: Sequence[Mapping[str, Any]]
    curve: Sequence[Mapping[str, Any]]
    measures: Mapping[str, Measure]
    model: Mapping[str, Any]
    environment: Mapping[str, Any]
    skipped: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Arm:
    """One form of the data with its runs, in the order of their seeds."""

    name: str
    title: str
    trained: bool
    data: Mapping[str, Any]
    runs: Sequence[Run]

    @property
    def seeds(self) -> list[int]:
        return [run.seed for run in self.runs]


@dataclass(frozen=True)
class Experiment:
    """All that the report is about. ``search``, ``corpus`` and ``seconds`` may be missing or have gaps."""

    name: str
    shows: str
    conclusive: bool
    commit: str | None
    hardware: str
    model: str
    seeds: Sequence[int]
    seconds: Mapping[str, float]
    corpus: Mapping[str, Any]
    arms: Sequence[Arm]
    search: Mapping[str, Any] | None
    skipped: Sequence[Mapping[str, Any]]

    def arm(self, name: str) -> Arm | None:
        """The arm of that name, if it has been run."""
        return next((arm for arm in self.arms if arm.name == name and arm.runs), None)

    def method(self) -> Arm | None:
        """The arm that stands for the method: searched, else unsearched trajectories."""
        return self.arm(METHOD) or self.arm(UNSEARCHED)

    @cached_property
    def measures(self) -> list[Measure]:
        """One of each measure that any run has, the first measure first."""
        found: dict[str, Measure] = {}
        for arm in self.arms:
            for run in arm.runs:
                for name, measure in run.measures.items():
                    found.setdefault(name, measure)
        return sorted(found.values(), key=lambda measure: measure.name != FIRST_MEASURE)


def read(experiment: Mapping[str, Any]) -> Experiment:
    """``experiment`` from its JSON. Raises ``UserError`` where it is of another version or lacks a key."""
    if experiment.get("version") != VERSION:
        raise UserError(
            f"the report reads results of version {VERSION}, not {experiment.get('version')}; "
            "run the experiment again with this version of repo2agent"
        )
    try:
        return Experiment(
            name=experiment["name"],
            shows=experiment["shows"],
            conclusive=bool(experiment["conclusive"]),
            commit=experiment.get("commit"),
            hardware=experiment["hardware"],
            model=experiment["model"],
            seeds=experiment["seeds"],
            seconds=experiment.get("seconds") or {},
            corpus=experiment.get("corpus") or {},
            arms=[_arm(arm) for arm in experiment["arms"]],
            search=experiment.get("search"),
            skipped=experiment.get("skipped") or [],
        )
    except KeyError as error:
        raise UserError(f"the results of the experiment have no {error}; run its last stages again") from None


def _arm(arm: Mapping[str, Any]) -> Arm:
    runs = sorted((_run(run) for run in arm.get("runs") or []), key=lambda run: run.seed)
    return Arm(arm["name"], arm["title"], arm["trained"], arm.get("data") or {}, runs)


def _run(run: Mapping[str, Any]) -> Run:
    tokens, results = run.get("tokens") or {}, run.get("results") or {}
    return Run(
        seed=run["seed"],
        total_tokens=tokens.get("total", 0),
        trained_tokens=tokens.get("trained", 0),
        unique_code_tokens=tokens.get("unique_code", 0),
        steps=run.get("steps"),
        epochs=run.get("epochs"),
        log=run.get("log") or [],
        curve=run.get("curve") or [],
        measures={measure["name"]: _measure(measure) for measure in results.get("measures") or []},
        model=results.get("model") or {},
        environment=results.get("environment") or {},
        skipped=results.get("skipped") or [],
    )


def _measure(measure: Mapping[str, Any]) -> Measure:
    interval = measure.get("interval")
    return Measure(
        name=measure["name"],
        title=measure["title"],
        unit=measure["unit"],
        better=measure["better"],
        value=math.nan if measure["value"] is None else measure["value"],
        interval=(interval[0], interval[1]) if interval and None not in interval else None,
        items=measure.get("items") or [],
        source=measure.get("source") or {},
        reference=measure.get("reference"),
        notes=measure.get("notes") or [],
    )
