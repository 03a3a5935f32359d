"""NLL of the code and length of thoughts over the rounds of a search, added up thought by thought.

All NLLs are means in nats per token of code, weighted by the tokens scored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from builder.search import CONTROLS

SEARCHED, RANDOM = "repo2agent-search", "repo2agent-random"
# The columns of the log that say how a thought fared.
ROUNDS_COLUMNS = (
    *("id", "config", "path", "step", "round", "candidate", "nll", "body_nll", "accepted"),
    *("num_thought_tokens", "num_target_tokens", "num_body_tokens"),
)

Key = tuple[str, str]  # id of the row, path of the file
Entries = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Point:
    """What stood after one round: means over the thoughts, and how many took a rewrite in it."""

    round: int
    nll: float
    body_nll: float | None
    num_thought_tokens: float
    num_accepted: int


@dataclass(frozen=True)
class Rounds:
    """What stood after each round (0: the first thoughts), searched and accepted at random, and the controls.

    Controls are over the thoughts that have every one that any has; ``best`` is the mean of each one's best.
    """

    num_thoughts: int
    searched: list[Point]
    random: list[Point]
    controls: dict[str, float]
    body_controls: dict[str, float]


class RoundSums:
    """Adds up thoughts to ``Rounds``; keeps sums, never the thoughts. ``walked``: with those of chance."""

    def __init__(self, walked: bool) -> None:
        self._num_thoughts = 0
        self._searched = _Walk()
        self._random = _Walk() if walked else None
        self._controls = _Controls("nll", "num_target_tokens")
        self._body_controls = _Controls("body_nll", "num_body_tokens")

    def add(self, own: Entries, chance: Entries = ()) -> None:
        """Count one thought: its scored entries in the log, and those of its walk by chance.

        A thought that leaks, was never replaced and so is not in the row does not count.
        """
        if not stands(own) or (self._random is not None and not stands(chance)):
            return
        self._num_thoughts += 1
        self._searched.add(own)
        if self._random is not None:
            self._random.add(chance)
        found = {entry["candidate"]: entry for entry in own if entry["round"] <= 0}
        for controls in (self._controls, self._body_controls):
            controls.add(found)

    def rounds(self, last_round: int) -> Rounds:
        """What has been added up so far, of ``last_round`` rounds."""
        longest = max(last_round + 1, self._searched.length, self._random.length if self._random else 0)
        return Rounds(
            self._num_thoughts,
            self._searched.points(longest),
            self._random.points(longest) if self._random else [],
            self._controls.means(),
            self._body_controls.means(),
        )


def rounds_of(log: Iterable[Mapping[str, Any]], *, walked: bool) -> Rounds:
    """``Rounds`` over the rows of ``search-log``, of which those of one repository stand together.

    Keeps one repository in memory. ``walked``: whether the dataset has ``repo2agent-random``.
    """
    sums, last_round = RoundSums(walked), 0
    for _, entries in groupby(log, key=lambda entry: entry["id"]):
        found = list(entries)
        last_round = max(last_round, *(entry["round"] for entry in found))
        chance = by_thought(found, RANDOM)
        for key, own in by_thought(found, SEARCHED).items():
            sums.add(own, chance.get(key, ()))
    return sums.rounds(last_round)


def by_thought(log: Iterable[Mapping[str, Any]], config: str) -> dict[Key, list[Mapping[str, Any]]]:
    """The scored entries of each thought of ``config``."""
    found: dict[Key, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in log:
        if entry.get("config", SEARCHED) == config and entry["nll"] is not None:
            found[entry["id"], entry["path"]].append(entry)
    return found


def last(entries: Entries, upto: int | None = None) -> Mapping[str, Any] | None:
    """What stood after round ``upto``: the first thought, or the rewrite that was last taken."""
    standing = None
    for entry in entries:
        in_time = upto is None or entry["round"] <= upto
        if in_time and (entry["candidate"] == "first" or (entry["round"] > 0 and entry["accepted"])):
            standing = entry
    return standing


def stands(entries: Entries) -> bool:
    """Whether a thought is left in the row: one that leaks and was never replaced is not."""
    standing = last(entries)
    return standing is not None and standing["step"] >= 0


@dataclass(frozen=True)
class _Sum:
    nll: float = 0.0
    weight: int = 0
    body_nll: float = 0.0
    body_weight: int = 0
    num_thought_tokens: int = 0
    num_standing: int = 0
    num_accepted: int = 0

    def with_(self, entry: Mapping[str, Any] | None, number: int) -> _Sum:
        if entry is None:
            return self
        has_body = entry["body_nll"] is not None
        body = (entry.get("num_body_tokens") or 0) if has_body else 0
        return _Sum(
            self.nll + entry["nll"] * entry["num_target_tokens"],
            self.weight + entry["num_target_tokens"],
            self.body_nll + (entry["body_nll"] * body if has_body else 0.0),
            self.body_weight + body,
            self.num_thought_tokens + entry["num_thought_tokens"],
            self.num_standing + 1,
            self.num_accepted + (entry["round"] == number and number > 0),
        )


class _Walk:
    """Sums by round. A thought without entries of late rounds stands in them as it stood before."""

    def __init__(self) -> None:
        self._sums = [_Sum()]

    @property
    def length(self) -> int:
        return len(self._sums)

    def add(self, entries: Entries) -> None:
        self._grow(max((entry["round"] for entry in entries), default=0) + 1)
        self._sums = [found.with_(last(entries, at), at) for at, found in enumerate(self._sums)]

    def _grow(self, length: int) -> None:
        while len(self._sums) < length:
            self._sums.append(replace(self._sums[-1], num_accepted=0))

    def points(self, length: int) -> list[Point]:
        self._grow(length)
        return list(self._points()) if self._sums[0].num_standing else []

    def _points(self) -> Iterator[Point]:
        for number, found in enumerate(self._sums):
            yield Point(
                round=number,
                nll=found.nll / found.weight,
                body_nll=found.body_nll / found.body_weight if found.body_weight else None,
                num_thought_tokens=found.num_thought_tokens / found.num_standing,
                num_accepted=found.num_accepted,
            )


class _Controls:
    """Sums apart for each set of controls that thoughts have: the whole tells which set is compared."""

    def __init__(self, column: str, weight: str) -> None:
        self._column, self._weight = column, weight
        self._sums: dict[tuple[str, ...], dict[str, float]] = {}
        self._weights: dict[tuple[str, ...], int] = defaultdict(int)

    def add(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Count one thought by its controls; ``found`` has its first entry too."""
        nll = {
            name: found[name][self._column]
            for name in CONTROLS
            if name in found and found[name][self._column] is not None
        }
        present, weight = tuple(nll), found["first"].get(self._weight) or 0
        sums = self._sums.setdefault(present, defaultdict(float))
        self._weights[present] += weight
        for name, value in nll.items():
            sums[name] += value * weight
        sums["best"] += min(nll.values(), default=0.0) * weight

    def means(self) -> dict[str, float]:
        seen = {name for present in self._sums for name in present}
        present = tuple(name for name in CONTROLS if name in seen)
        total = self._weights.get(present, 0)
        if not total:
            return {}
        return {name: self._sums[present][name] / total for name in (*present, "best")}
