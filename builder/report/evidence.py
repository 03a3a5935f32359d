"""Figures over searched rows and their log. Nothing here is drawn or asked of a model.

All NLLs are means in nats per token of code, weighted by the tokens scored, over the thoughts that have every
score that is compared. A gain is what the best of a thought's own controls has above the thought.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from builder.report.rounds import RANDOM, SEARCHED, Entries, Key, Point, RoundSums, by_thought, last, stands
from builder.search import CONTROLS

RESAMPLES = 2_000
FEW = 5  # repositories, below which files are resampled instead
# What may become of a rewrite, in the log's own words up to their figures.
OUTCOMES = (
    "accepted",
    "accepted at random",
    "no better than the margin",
    "another was better",
    "quotes the code",
    "quotes the code with other names",
    "names what only the body holds",
    "longer than the cap",
    "equal to the current thought",
    "empty",
    "could not be scored",
    "not looked at",
)


@dataclass(frozen=True)
class Interval:
    """A mean and the 2.5th and 97.5th percentile of its bootstrap distribution."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Of a gain: "gain", "loss", or "no difference" where the interval holds zero."""
        return "gain" if self.low > 0 else "loss" if self.high < 0 else "no difference"


@dataclass(frozen=True)
class Thought:
    """One thought under one way of scoring: NLL by what stood in its place, whole and on the body alone.

    ``nll`` has the controls ("none", "outline", "other" where there is one), "first", "searched", and
    "random" where that was built. ``num_tokens`` and ``num_body_tokens`` were scored.
    """

    repository: str
    path: str
    num_tokens: int
    num_body_tokens: int
    nll: Mapping[str, float]
    body_nll: Mapping[str, float]

    def gain(self, name: str = "searched", over: str = "", body: bool = False) -> float | None:
        """What ``name`` saves over ``over``, or the best control, in nats per token; None without scores."""
        nll = self.body_nll if body else self.nll
        references = [nll[other] for other in ([over] if over else CONTROLS) if other in nll]
        return min(references) - nll[name] if references and name in nll else None

    def weight(self, body: bool = False) -> int:
        """How many tokens were scored."""
        return self.num_body_tokens if body else self.num_tokens


@dataclass
class Evidence:
    """What the rows and the log of one dataset show."""

    num_repositories: int
    thoughts: list[Thought]
    searched: list[Point]
    random: list[Point]
    controls: dict[str, float]
    body_controls: dict[str, float]
    outcomes: dict[str, dict[int, Counter[str]]]  # config -> round -> what became of candidates
    lengths: list[tuple[int, int]]  # tokens of each repository as plain code and as trajectory
    cost: dict[str, int]
    scorers: list[str]
    margins: list[float] = field(default_factory=list)
    bits_per_thought_token: float | None = None
    num_out_of_budget: int = 0  # repositories


def evidence(rows: Iterable[Mapping[str, Any]], log: Iterable[Mapping[str, Any]]) -> Evidence:
    """The figures of ``rows`` (of ``repo2agent-search``) and of ``search-log``."""
    rows, log = list(rows), list(log)
    own = by_thought(log, SEARCHED)
    chance = by_thought(log, RANDOM)
    kept = {
        (row["id"], row["steps"][score["step"]]["path"]): score for row in rows for score in row["scores"]
    }
    compared = [key for key in kept if key in own and (not chance or stands(chance.get(key, ())))]
    thoughts = [_thought(key, own[key], chance.get(key, ())) for key in compared]
    sums = RoundSums(bool(chance))
    for key in compared:
        sums.add(own[key], chance.get(key, ()))
    rounds = sums.rounds(max((entry["round"] for entry in log), default=0))
    bits = sum((score["gain"] or 0.0) * score["num_target_tokens"] for score in kept.values())
    spent = sum(score["num_thought_tokens"] for score in kept.values())
    return Evidence(
        num_repositories=len(rows),
        thoughts=thoughts,
        searched=rounds.searched,
        random=rounds.random,
        controls=rounds.controls,
        body_controls=rounds.body_controls,
        outcomes=_outcomes(log),
        lengths=[(row["num_raw_tokens"], row["num_tokens"]) for row in rows],
        cost={
            "scores": sum(entry["nll"] is not None for entry in log),
            "tokens sent to be scored": sum(entry.get("num_prompt_tokens") or 0 for entry in log),
            "rewrites": sum(entry["round"] > 0 for entry in log),
            "tokens of rewrites": sum(entry["num_thought_tokens"] for entry in log if entry["round"] > 0),
        },
        scorers=sorted({row["scorer"] for row in rows}),
        margins=sorted(score["margin"] for score in kept.values()),
        bits_per_thought_token=bits / spent / math.log(2) if spent else None,
        num_out_of_budget=sum(
            any(note.startswith("search: ended by its budget") for note in row["notes"]) for row in rows
        ),
    )


def mean_gain(
    thoughts: Sequence[Thought], name: str = "searched", over: str = "", body: bool = False
) -> Interval | None:
    """What ``name`` saves over ``over`` (or each thought's best control), weighted by tokens of code.

    None without scores. Repositories are resampled, not thoughts, whose codes are alike within one; of fewer
    than five repositories, files are. The seed is fixed: the same thoughts give the same interval.
    """
    import numpy

    gains: dict[str, list[tuple[float, int]]] = defaultdict(list)
    by_file = len({thought.repository for thought in thoughts}) < FEW
    for thought in thoughts:
        gain, weight = thought.gain(name, over, body), thought.weight(body)
        if gain is not None and weight:
            group = f"{thought.repository} {thought.path}" if by_file else thought.repository
            gains[group].append((gain * weight, weight))
    if not gains:
        return None
    sums = numpy.array([[sum(part) for part in zip(*pairs, strict=True)] for pairs in gains.values()])
    chosen = numpy.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    totals = sums[chosen].sum(axis=1)
    low, high = numpy.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
    mean = sums[:, 0].sum() / sums[:, 1].sum()
    return Interval(float(mean), float(low), float(high))


def _thought(key: Key, own: Entries, chance: Entries) -> Thought:
    found = {entry["candidate"]: entry for entry in own if entry["round"] <= 0}
    found["searched"] = last(own)  # type: ignore[assignment]
    if (walked := last(chance)) is not None:
        found["random"] = walked
    first = found["first"]
    return Thought(
        repository=key[0],
        path=key[1],
        num_tokens=first["num_target_tokens"],
        num_body_tokens=first.get("num_body_tokens") or 0,
        nll={name: entry["nll"] for name, entry in found.items()},
        body_nll={name: entry["body_nll"] for name, entry in found.items() if entry["body_nll"] is not None},
    )


def _outcomes(log: Entries) -> dict[str, dict[int, Counter[str]]]:
    """What became of the candidates of each round."""
    found: dict[str, dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for entry in log:
        if entry["round"] > 0:
            reason = entry["reason"].partition(":")[0]
            found[entry.get("config", SEARCHED)][entry["round"]][
                reason if reason in OUTCOMES else "other"
            ] += 1
    return {config: dict(sorted(rounds.items())) for config, rounds in sorted(found.items())}
