"""What a build would come to: for a reader, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder.scale.estimate import Estimate

_COUNTERS = {
    "calls": "calls",
    "prompt_tokens": "prompt",
    "generated_tokens": "generated",
    "scored_tokens": "scored",
}
_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_EXACT = 1e-9  # a width that is rounding


@dataclass(frozen=True)
class Forecast:
    """Estimates, each with an interval of 95 %; one without width is known.

    ``left_out`` counts sources by reason, ``chosen`` what stays. ``needs`` has calls and tokens by purpose,
    and under ``""`` of all together. ``tokens`` are those of the rows, ``disk`` bytes by config. ``missing``
    are the throughputs that ``gpu_hours`` would need; ``cost`` is None where there are no prices.
    """

    num_sources: int
    num_surveyed: int
    num_sampled: int
    left_out: dict[str, Estimate]
    chosen: dict[str, Estimate]
    needs: dict[str, dict[str, Estimate]]
    tokens: dict[str, Estimate]
    disk: dict[str, Estimate]
    gpu_hours: Estimate | None
    cost: Estimate | None
    missing: tuple[str, ...]
    assumptions: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values; of an estimate its total and the ends of its interval, ``high`` None if open."""
        return {name: _plain(value) for name, value in vars(self).items()}

    def as_text(self) -> str:
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        surveyed = (
            "" if self.num_surveyed == self.num_sources else f", {self.num_surveyed:,} of them looked at"
        )
        yield f"{self.num_sources:,} sources{surveyed}"
        for reason, number in self.left_out.items():
            yield f"  left out: {reason:17} {_share(number, self.num_sources)}"
        chosen = self.chosen
        yield f"  repositories that stay     {_number(chosen['repositories'])}"
        yield (
            f"  files                      {_number(chosen['num_files'])}, of which with code "
            f"{_number(chosen['num_code_files'])}"
        )
        yield ""
        width = max(map(len, self.needs), default=0)
        heads = "".join(f"{head:>22}" for head in _COUNTERS.values())
        yield f"{'':{width}}{heads}"
        for purpose, need in self.needs.items():
            cells = "".join(f"{_number(need[counter]):>22}" for counter in _COUNTERS)
            yield f"{purpose or 'all':{width}}{cells}"
        yield ""
        for name, number in self.tokens.items():
            yield f"tokens {name}: {_number(number)}"
        for name, number in self.disk.items():
            yield f"disk, {name}: {_bytes(number)}"
        if self.gpu_hours is not None:
            yield f"GPU-hours: {_number(self.gpu_hours)}"
        elif self.missing:
            options = " ".join(f"--throughput.{name} TOKENS_A_SECOND" for name in self.missing)
            yield f"GPU-hours: give {options}"
        if self.cost is not None:
            yield f"cost: {_number(self.cost)}"
        yield ""
        yield f"From {self.num_sampled} repositories gone through without a model; ± is at 95 %."
        yield from (f"Assumed: {words}." for words in self.assumptions)


def _number(value: Estimate) -> str:
    """Whole, or three digits of what is small and need not be whole."""
    small = value.total < 100 and value.total != round(value.total)
    text = f"{value.total:.3g}" if small else f"{value.total:,.0f}"
    return f"{text} ± {value.relative:.0%}" if value.half_width > _EXACT * value.total else text


def _share(value: Estimate, number: int) -> str:
    return f"{_number(value)} ({value.total / number:.1%})"


def _bytes(value: Estimate) -> str:
    unit, size = next((unit for unit in _UNITS if value.total >= unit[1]), _UNITS[-1])
    number, _, width = _number(Estimate(value.total / size, value.half_width / size)).partition(" ")
    return f"{number} {unit} {width}".rstrip()


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        low = max(0.0, value.total - value.half_width)
        # JSON has no infinity: one repository left to chance tells nothing of the others.
        high = value.total + value.half_width if math.isfinite(value.half_width) else None
        return {"total": value.total, "low": low, "high": high}
    if isinstance(value, dict):
        return {name or "all": _plain(part) for name, part in value.items()}
    return list(value) if isinstance(value, tuple) else value
