"""How far a measure can be trusted: bootstrap intervals over groups of items, and paired differences.

Items of one group (the files of a repository, the samples of a problem) depend on each other, so whole groups
are drawn, with replacement. Intervals are percentile intervals of 95 %, made as much wider as Student's t is
wider than the normal distribution: those of a bootstrap alone are too narrow over few groups. They are the
same each time for one seed. With fewer than two groups nothing can be said, and the bounds are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap, norm, t

from builder import UserError

Interval = tuple[float, float, float]
"""An estimate, and the bounds around it."""

NUM_RESAMPLES = 9_999
_BATCH = 500  # resamples drawn at once, which bounds the memory


def mean_interval(items: Sequence[Mapping[str, Any]], seed: int = 0) -> Interval:
    """The mean of ``value`` weighted by ``weight``, with its interval over the ``group`` s of ``items``."""
    sums = _group_sums([items])
    return _bootstrap(sums, seed, lambda total, weight: total / weight)


def paired_difference(
    items_a: Sequence[Mapping[str, Any]], items_b: Sequence[Mapping[str, Any]], seed: int = 0
) -> Interval:
    """How much higher the weighted mean of ``items_a`` is than that of ``items_b``, over the same items.

    Both are drawn together, so what makes an item hard for both models does not widen the interval. Raises
    ``UserError`` where the items are not the same.
    """
    ids_a, ids_b = ({item["id"] for item in items} for items in (items_a, items_b))
    if ids_a != ids_b:
        odd = min(ids_a ^ ids_b)
        raise UserError(
            f"the results are not of the same items: {len(ids_a ^ ids_b)} stand on one side only, among them "
            f"{odd}; evaluate both models with the same suite, rows and limit"
        )
    sums = _group_sums([items_a, items_b])
    return _bootstrap(sums, seed, lambda a, num_a, b, num_b: a / num_a - b / num_b)


def verdict(difference: Interval) -> str:
    """``"lower"`` or ``"higher"`` where the interval lies on one side of 0, else ``"undecided"``."""
    _, low, high = difference
    if high < 0:
        return "lower"
    return "higher" if low > 0 else "undecided"


def _group_sums(sides: Sequence[Sequence[Mapping[str, Any]]]) -> np.ndarray:
    """For each side a row of Σ weight·value and one of Σ weight; a column for each group."""
    groups = sorted({str(item["group"]) for items in sides for item in items})
    place = {group: number for number, group in enumerate(groups)}
    sums = np.zeros((2 * len(sides), len(groups)))
    for side, items in enumerate(sides):
        # In the order of the ids: a sum of floats depends on it.
        for item in sorted(items, key=lambda item: str(item["id"])):
            column = place[str(item["group"])]
            sums[2 * side, column] += item["weight"] * item["value"]
            sums[2 * side + 1, column] += item["weight"]
    if not groups or not sums[1::2].sum(axis=1).all():
        raise ValueError("no items to take a mean over")
    return sums


def _bootstrap(sums: np.ndarray, seed: int, statistic: Callable[..., Any]) -> Interval:
    """``statistic`` takes the totals of the rows of ``sums``, which may be arrays of many draws."""
    estimate = float(statistic(*sums.sum(axis=1)))
    if sums.shape[1] < 2:
        return estimate, math.nan, math.nan
    found = bootstrap(
        tuple(sums),
        lambda *rows, axis: statistic(*(row.sum(axis=axis) for row in rows)),
        n_resamples=NUM_RESAMPLES,
        batch=_BATCH,
        paired=True,  # a group's entries in all rows are drawn together
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = map(float, found.confidence_interval)
    number = sums.shape[1]
    # The bootstrap's variance of a mean is also too small, by (n - 1) / n.
    stretch = t.ppf(0.975, number - 1) / norm.ppf(0.975) * math.sqrt(number / (number - 1))
    return estimate, estimate - (estimate - low) * stretch, estimate + (high - estimate) * stretch
