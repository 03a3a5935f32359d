"""Figures and lists as a reader wants them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiment.report.data import Estimate


def number(value: float | None, unit: str = "", signed: bool = False) -> str:
    """``value`` with as many digits as its unit wants; a true minus sign; "–" where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    digits = 4 if unit.startswith("nats") else 3
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def interval(estimate: Estimate, unit: str, signed: bool = False) -> str:
    """``estimate`` as "value [low, high]"."""
    value, low, high = (number(x, unit, signed) for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low},\N{NO-BREAK SPACE}{high}]" if estimate.high > estimate.low else value


def count(value: float | None) -> str:
    """A whole number with its thousands apart."""
    return "–" if value is None else f"{value:,.0f}"


def percent(share: float) -> str:
    """ "12 %", with two digits where it is small."""
    digits = 0 if share >= 0.1 else 1 if share >= 0.01 else 2
    return f"{100 * share:.{digits}f} %"


def many(value: int, one: str, several: str = "") -> str:
    """ "1 file", "3 files"."""
    return f"{value:,} {one if value == 1 else several or one + 's'}"


def listed(names: Sequence[object], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    words = [str(name) for name in names]
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def duration(seconds: float) -> str:
    """ "48 s", "12 min", "3.4 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
