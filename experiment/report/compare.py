"""Arms side by side on one measure: paired over the same items, and over seeds where there are several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy import stats

from experiment.report.data import Arm, Estimate, Experiment, Measure, Run
from experiment.report.wording import percent

TOKEN_TOLERANCE = 0.005  # total tokens of two arms may differ by so much of the larger
RESAMPLES = 2_000
FEW = 5  # repositories, below which files are resampled instead

# Which arms are looked at side by side, as (arm, other). A trained arm beside each of the first three.
_BASELINES = ("base", "general", "raw-repos")
_TRAJECTORIES = ("repo2agent", "repo2agent-random", "repo2agent-search", "repo2agent-search-debug")
_PAIRS = (
    ("repo2agent-search", "repo2agent-random"),
    ("repo2agent-search", "repo2agent"),
    *((name, "spec-only") for name in _TRAJECTORIES),
    ("repo2agent-search-debug", "repo2agent-search"),
)


@dataclass(frozen=True)
class Comparison:
    """``arm`` less ``other`` on one measure; no ``difference`` where there is an ``obstacle`` to one."""

    arm: str
    other: str
    measure: Measure | None
    difference: Estimate | None
    obstacle: str = ""

    @property
    def verdict(self) -> str:
        """Of ``arm``: "better", "worse", "undecided" where the interval holds 0, or "not comparable"."""
        if self.difference is None or self.measure is None:
            return "not comparable"
        from trainer.evaluation import verdict  # imports torch

        found = verdict((self.difference.value, self.difference.low, self.difference.high))
        if found == "undecided":
            return found
        return "better" if found == self.measure.better else "worse"


def pairs(experiment: Experiment) -> list[tuple[str, str]]:
    """The arms that are looked at side by side, of those that have been run."""
    trained = [arm.name for arm in experiment.arms if arm.trained and arm.runs]
    wanted = chain(((arm, other) for other in _BASELINES for arm in trained if arm != other), _PAIRS)
    found: list[tuple[str, str]] = []
    for arm, other in wanted:
        present = experiment.arm(arm) and experiment.arm(other)
        if present and (arm, other) not in found and (other, arm) not in found:
            found.append((arm, other))
    return found


def compare(experiment: Experiment, arm: str, other: str, name: str) -> Comparison:
    """Two arms on the measure called ``name``, by the runs of seeds that both have."""
    one, two = experiment.arm(arm), experiment.arm(other)
    if one is None or two is None:
        missing = arm if one is None else other
        return Comparison(arm, other, None, None, f"{missing} was not run")
    runs = [(a, b) for a, b in _paired(one, two) if name in a.measures and name in b.measures]
    if not runs:
        return Comparison(arm, other, None, None, "no seed has this measure for both")
    measure = runs[0][0].measures[name]
    obstacle = _unequal_tokens(one, two, runs) or _unlike(runs, name)
    if obstacle:
        return Comparison(arm, other, measure, None, obstacle)
    return Comparison(arm, other, measure, _estimate(runs, name))


def mean(arm: Arm, name: str) -> Estimate | None:
    """The mean of a measure over the runs of an arm. None where it was not taken or is no number."""
    runs = [run for run in arm.runs if name in run.measures]
    measures = [run.measures[name] for run in runs]
    if not measures or not all(measure.is_finite and np.isfinite(measure.value) for measure in measures):
        return None
    if len(measures) == 1 and measures[0].interval:
        return Estimate(measures[0].value, *measures[0].interval, 1, measures[0].num_groups)
    alike = {tuple(sorted(item["id"] for item in measure.items)) for measure in measures}
    if len(alike) == 1 and len(measures[0].items) > 1:
        return _estimate([(run, None) for run in runs], name)
    value = float(np.mean([measure.value for measure in measures]))
    return Estimate(value, value, value, len(measures), measures[0].num_groups)


def winner(experiment: Experiment, name: str) -> str | None:
    """The arm that is better than each other one on a measure, with an interval that keeps clear of 0."""
    arms = [arm.name for arm in experiment.arms if mean(arm, name) is not None]
    for arm in arms:
        others = [compare(experiment, arm, other, name) for other in arms if other != arm]
        if others and all(comparison.verdict == "better" for comparison in others):
            return arm
    return None


def _paired(one: Arm, two: Arm) -> Iterator[tuple[Run, Run]]:
    """The runs of the seeds that both have; the untrained model has one run, which stands for every seed."""
    if one.trained and two.trained:
        by_seed = {run.seed: run for run in two.runs}
        yield from ((run, by_seed[run.seed]) for run in one.runs if run.seed in by_seed)
    elif two.trained:
        yield from ((one.runs[0], run) for run in two.runs)
    else:
        yield from ((run, two.runs[0]) for run in one.runs)


def _unequal_tokens(one: Arm, two: Arm, runs: Sequence[tuple[Run, Run]]) -> str:
    if not (one.trained and two.trained):
        return ""
    for a, b in runs:
        fewer, more = sorted((a.total_tokens, b.total_tokens))
        if more - fewer > TOKEN_TOLERANCE * more:
            return (
                f"they were trained on {a.total_tokens:,} and {b.total_tokens:,} tokens in total, "
                f"{percent((more - fewer) / more)} apart"
            )
    return ""


def _unlike(runs: Sequence[tuple[Run, Run]], name: str) -> str:
    """What keeps the items of ``runs`` from being compared one by one, in words."""
    measures = [run.measures[name] for pair in runs for run in pair]
    if not all(measure.is_finite for measure in measures):
        return "some of the values are not numbers"
    if (
        len({tuple(sorted((item["id"], item["weight"]) for item in measure.items)) for measure in measures})
        > 1
    ):
        return "they were measured on different items"
    if len(measures[0].items) < 2:
        return "an interval needs at least two items"
    return ""


def _estimate(runs: Sequence[tuple[Run, Run | None]], name: str) -> Estimate:
    """The mean of each first run, less the second's, with a bootstrap over seeds and repositories.

    Seeds and repositories are crossed (every model is measured on the same repositories), so both are drawn
    anew, each on its own (Owen 2007, "The pigeonhole bootstrap").
    """
    first = runs[0][0].measures[name]
    by_file = first.num_groups < FEW
    groups = sorted({item["id"] if by_file else item["group"] for item in first.items})
    place = {group: number for number, group in enumerate(groups)}
    sums, weights = np.zeros((2, len(runs), len(groups)))
    for seed, pair in enumerate(runs):
        for sign, run in zip((1, -1), pair, strict=True):
            for item in run.measures[name].items if run else ():
                group = place[item["id"] if by_file else item["group"]]
                sums[seed, group] += sign * item["weight"] * item["value"]
                if sign > 0:
                    weights[seed, group] += item["weight"]
    value = sums.sum() / weights.sum()
    low, high = _interval(sums, weights, value)
    return Estimate(float(value), float(low), float(high), len(runs), first.num_groups, by_file)


def _interval(sums: np.ndarray, weights: np.ndarray, value: float) -> tuple[float, float]:
    """95 %, of a ratio of sums over seeds (rows) and groups (columns).

    A bootstrap over few seeds is far too narrow: under no difference, with three seeds that vary and 30
    repositories, one interval of 95 % in four missed 0. So percentiles give the shape only, and the width is
    what Student's t asks for of either part, added up as variances; then about one in twenty misses. (With
    one seed and many repositories this is ``trainer.evaluation.paired_difference``.)
    """
    chance = np.random.default_rng(0)
    seeds, groups = (
        chance.multinomial(number, np.full(number, 1 / number), size=RESAMPLES).astype(float)
        for number in sums.shape
    )
    both = ((seeds @ sums) * groups).sum(1) / ((seeds @ weights) * groups).sum(1)
    low, high = np.quantile(both, [0.025, 0.975])
    by_seed = (seeds @ sums).sum(1) / (seeds @ weights).sum(1)
    by_group = groups @ sums.sum(0) / (groups @ weights.sum(0))
    # The bootstrap's variance of a mean is too small by (n - 1) / n.
    width = 2 * np.sqrt(
        sum(
            part.var() * number / (number - 1) * stats.t.ppf(0.975, number - 1) ** 2
            for part, number in zip((by_seed, by_group), sums.shape, strict=True)
            if number > 1
        )
    )
    if high <= low:
        return low, high
    stretch = max(1.0, width / (high - low))
    return value - (value - low) * stretch, value + (high - value) * stretch
