"""The paper's own table (arXiv 2603.11103), and where this experiment measured the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from experiment.report.compare import mean
from experiment.report.data import Experiment, Measure

# The paper's arms, by the name that each has here.
ARMS = {
    "prolong": "general",
    "raw-repos": "raw-repos",
    "repo2agent": "repo2agent",
    "repo2agent-search": "repo2agent-search",
}
# In percent; None where the paper gives no value.
TABLE: dict[str, tuple[float | None, ...]] = {
    "RULER 65,536": (57.10, 61.00, None, 61.80),
    "HELMET 32,768": (61.57, 60.98, None, 62.65),
    "HumanEval": (16.46, 34.76, 36.59, 37.20),
    "LongCodeBench-32k": (29.38, 34.16, None, 36.46),
    "LongCodeBench-64k": (30.52, 27.37, 31.05, 30.26),
    "BBH": (66.69, 66.27, None, 67.03),
    "MATH": (1.64, 2.18, 3.72, 3.76),
    "GSM8k": (None, 61.94, 61.94, 60.96),
    "APTBench overall": (None, 29.02, 30.10, 29.65),
}
MODEL = "Llama-3-8B-Instruct"
WINDOW, TOKENS, REPOSITORIES = "64k", 20e9, 300_000


def rows(experiment: Experiment) -> list[list[str]]:
    """A row for each of the paper's benchmarks: its name, and for each arm the paper's value and ours."""
    ours = {name: measure for measure in experiment.measures if (name := _benchmark(measure))}
    found = []
    for name, values in TABLE.items():
        cells = [name]
        for value, arm in zip(values, ARMS.values(), strict=True):
            cells += ["–" if value is None else f"{value:.2f}", _ours(experiment, arm, ours.get(name))]
        found.append(cells)
    return found


def measured(experiment: Experiment) -> list[str]:
    """The paper's benchmarks that this experiment measured too."""
    return [name for measure in experiment.measures if (name := _benchmark(measure))]


def _benchmark(measure: Measure) -> str | None:
    """The paper's row that a measure's reference values are those of."""
    if not measure.reference:
        return None
    for name, values in TABLE.items():
        given = dict(zip(ARMS, values, strict=True))
        if all(_same(given.get(_theirs(arm)), value) for arm, value in measure.reference.items()):
            return name
    return None


def _theirs(arm: str) -> str:
    """The paper's name of an arm, by either name."""
    return next((theirs for theirs, ours in ARMS.items() if arm in (theirs, ours)), arm)


def _same(given: float | None, value: Any) -> bool:
    """Whether a reference value is the table's, as percent or as a share."""
    if given is None or value is None:
        return given is None and value is None
    return math.isclose(given, value, abs_tol=0.005) or math.isclose(given, 100 * value, abs_tol=0.005)


def _ours(experiment: Experiment, name: str, measure: Measure | None) -> str:
    arm = experiment.arm(name)
    found = mean(arm, measure.name) if arm and measure else None
    if found is None:
        return "–"
    # In percent, as the paper has it, where the measure is a share as its reference is.
    times = 100 if measure and max((measure.reference or {}).values(), default=1) <= 1 else 1
    value, low, high = (f"{times * x:.2f}" for x in (found.value, found.low, found.high))
    return f"{value} [{low},\N{NO-BREAK SPACE}{high}]"


def scale(experiment: Experiment, corpus: Mapping[str, Any]) -> list[list[str]]:
    """How large the paper's experiment was and how large this one: rows of what, paper, here."""
    trained = [run for arm in experiment.arms if arm.trained for run in arm.runs]
    total = max((run.total_tokens for run in trained), default=0)
    sizes = [run.model.get("num_parameters") for arm in experiment.arms for run in arm.runs]
    parameters = next((size for size in sizes if size), None)
    longest = max((max(arm.data.get("lengths") or [0]) for arm in experiment.arms), default=0)
    repositories = (corpus.get("train") or {}).get("repositories")
    return [
        ["model", MODEL, experiment.model + (f", {parameters:,} parameters" if parameters else "")],
        [
            "tokens of an arm",
            f"{TOKENS:,.0f}",
            f"{total:,}" + (f" (1 / {TOKENS / total:,.0f})" if total else ""),
        ],
        ["repositories", f"about {REPOSITORIES:,}", f"{repositories:,}" if repositories else "–"],
        ["window or longest document", f"{WINDOW} tokens", f"{longest:,} tokens" if longest else "–"],
        [
            "training runs of an arm",
            "not stated",
            f"{max((len(a.runs) for a in experiment.arms), default=0)}",
        ],
    ]
