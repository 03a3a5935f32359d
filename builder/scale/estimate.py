"""What a few repositories say about all of them: drawn by size, weighed by how likely it was to draw them.

Each is drawn with a probability proportional to its size, systematically along a random order; the largest,
which that makes certain, count for themselves alone. The total of a quantity over the others is the ratio
estimator ``X * sum(y / p) / sum(x / p)``, for a column ``x`` that is known of all. Its variance is Hájek's
for samples of unequal probabilities (Ann. Math. Statist. 35, 1964), and Student's t makes an interval of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LEVEL = 0.95
Numbers = Sequence[float] | Any  # or an array


@dataclass(frozen=True)
class Estimate:
    """A total, and half the width of its interval at ``LEVEL``."""

    total: float
    half_width: float = 0.0

    @property
    def relative(self) -> float:
        """``half_width`` as a share of the total."""
        return self.half_width / self.total if self.total else 0.0

    def covers(self, truth: float) -> bool:
        return abs(truth - self.total) <= self.half_width + 1e-9 * abs(truth)


@dataclass(frozen=True)
class Sample:
    """``places`` of what was drawn, ascending, and the ``chances`` that they had of being drawn."""

    places: tuple[int, ...]
    chances: tuple[float, ...]


def draw(sizes: Numbers, number: int, seed: int) -> Sample:
    """``number`` of ``sizes`` (all, where there are no more), the same for the same seed."""
    import numpy as np

    chances = _chances(np.asarray(sizes, dtype=float), number)
    certain = np.flatnonzero(chances == 1)
    dice = np.random.default_rng(seed)
    order = dice.permutation(np.flatnonzero(chances < 1))
    points = dice.random() + np.arange(min(number, len(chances)) - len(certain))
    # A sum of chances may end a rounding error before the last point.
    drawn = order[np.minimum(np.searchsorted(np.cumsum(chances[order]), points, "right"), len(order) - 1)]
    places = np.sort(np.concatenate([certain, drawn]))
    return Sample(tuple(places.tolist()), tuple(chances[places].tolist()))


def estimate(
    sample: Sample, values: Numbers, known: Numbers, phase: tuple[int, int] | None = None
) -> Estimate:
    """The total of a quantity, from its ``values`` in ``sample`` and a column ``known`` of all.

    Where all are what stayed of a simple random sample, ``phase`` is its size and what it was drawn from: the
    total is then of the latter, and the interval has both causes.
    """
    import numpy as np

    y, x = np.asarray(values, dtype=float), np.asarray(known, dtype=float)
    places, chances = np.asarray(sample.places), np.asarray(sample.chances)
    total, variance = _within(y, x[places], chances, x.sum(), float(x[places[chances == 1]].sum()))
    freedom = int((chances < 1).sum()) - 1
    number, population = phase or (len(x), len(x))
    if number >= population:
        return Estimate(total, _t(freedom) * math.sqrt(variance))
    factor = population / number
    # The spread between all that were looked at, most of which may have stayed or not; those have nothing.
    spread = max(0.0, float(np.sum(y * y / chances)) - total**2 / number) / max(1, number - 1)
    variance = factor**2 * (variance + number**2 * (1 - 1 / factor) * spread / number)
    return Estimate(factor * total, _t(freedom if freedom > 0 else number - 1) * math.sqrt(variance))


def _chances(sizes: Any, number: int) -> Any:
    """The probability of each place: proportional to its size, but for those that are certain."""
    import numpy as np

    if (sizes <= 0).any():
        raise ValueError("what has no size could never be drawn")
    certain = np.zeros(len(sizes), dtype=bool)
    chances = np.ones(len(sizes))
    while number < len(sizes):
        rest = ~certain
        chances[rest] = (number - certain.sum()) * sizes[rest] / sizes[rest].sum()
        if not (more := rest & (chances >= 1)).any():
            break
        certain |= more
        chances[certain] = 1
    return chances


def _within(y: Any, x: Any, chances: Any, known: float, known_certain: float) -> tuple[float, float]:
    """The total and its variance, given what was drawn."""
    drawn = chances < 1
    exact = float(y[~drawn].sum())
    if not drawn.any():
        return exact, 0.0
    y, x, chances = y[drawn], x[drawn], chances[drawn]
    rest = known - known_certain
    expanded = float((x / chances).sum())
    ratio = float((y / chances).sum()) / expanded if expanded else 0.0
    if len(y) < 2:
        return exact + rest * ratio, math.inf
    errors = (y - ratio * x) / chances
    weights = 1 - chances
    middle = (weights * errors).sum() / weights.sum()
    variance = len(y) / (len(y) - 1) * float((weights * (errors - middle) ** 2).sum())
    return exact + rest * ratio, variance * (rest / expanded) ** 2 if expanded else 0.0


def _t(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, max(1, freedom)))
