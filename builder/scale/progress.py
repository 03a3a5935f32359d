"""How far a build is and what it has cost, kept in files: every process writes its own, anybody reads all."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from builder.config import BudgetOptions, PriceOptions
from builder.errors import UserError
from builder.scale.place import Place

_FOLDER = ".build/progress"
EVERY = 1.0  # seconds between two writes


class BudgetReached(UserError):
    """The end of what a build may use."""


@dataclass
class Snapshot:
    """What one process has done, or several together.

    ``usage`` has the counters of the generator and the scorer (see ``Usage``), ``begun_bytes`` are the code
    bytes of the repositories that have been begun. A process was at work for ``seconds`` from the time
    ``began`` on (since the epoch); several were so in all the seconds in which one of them was.
    """

    repositories: int = 0
    begun_bytes: int = 0
    calls_expected: int = 0
    calls_finished: int = 0
    began: float = 0.0
    seconds: float = 0.0
    usage: dict[str, dict[str, float]] = field(default_factory=dict)

    def used(self, counter: str) -> float:
        """``counter`` of ``Usage``, over both ends."""
        return sum(end.get(counter, 0) for end in self.usage.values())

    @property
    def calls(self) -> float:
        """Calls that were or will be made of a server: what the store answers costs nothing."""
        return self.used("calls") - self.used("stored")

    @property
    def tokens(self) -> float:
        """Tokens that servers read, wrote or scored."""
        return sum(map(self.used, ("prompt_tokens", "generated_tokens", "scored_tokens")))


class Ledger:
    """The file of one process's progress. A killed process loses what it did in the last second."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._name = f"{_FOLDER}/{uuid.uuid4().hex}.json"
        self._time, self._began = time.time(), time.monotonic()

    def write(self, snapshot: Snapshot) -> None:
        snapshot.began, snapshot.seconds = self._time, time.monotonic() - self._began
        self._place.write(self._name, json.dumps(asdict(snapshot)))


def ledgers(place: Place) -> set[str]:
    """The names of all files of progress."""
    return set(place.names(_FOLDER))


def total(place: Place, without: Collection[str] = ()) -> Snapshot:
    """The sum of all files of progress but those named."""
    found, end = Snapshot(), 0.0
    for one in sorted(_read(place, ledgers(place).difference(without)), key=lambda one: one.began):
        found.began = found.began or one.began
        found.seconds += max(0.0, one.began + one.seconds - max(end, one.began))
        end = max(end, one.began + one.seconds)
        for name in ("repositories", "begun_bytes", "calls_expected", "calls_finished"):
            setattr(found, name, getattr(found, name) + getattr(one, name))
        for side, counters in one.usage.items():
            sums = found.usage.setdefault(side, {})
            for name, value in counters.items():
                sums[name] = sums.get(name, 0) + value
    return found


def cost(snapshot: Snapshot, prices: PriceOptions) -> float:
    """What the tokens of a build cost so far."""
    return (
        snapshot.used("prompt_tokens") * prices.prompt
        + snapshot.used("generated_tokens") * prices.generated
        + snapshot.used("scored_tokens") * prices.scored
    ) / 1e6


def check_budget(snapshot: Snapshot, budget: BudgetOptions, prices: PriceOptions) -> None:
    """Raises ``BudgetReached`` where the build, from its very beginning, has used up one of its limits."""
    used = {
        "calls": snapshot.calls,
        "tokens": snapshot.tokens,
        "cost": cost(snapshot, prices),
        "hours": snapshot.seconds / 3600,
    }
    for limit in fields(budget):
        most = getattr(budget, limit.name)
        if most is not None and used[limit.name] >= most:
            raise BudgetReached(
                f"the budget of {most:g} {limit.name} is reached ({used[limit.name]:.6g}); raise "
                f"--budget.{limit.name} and start again to go on where it was"
            )


def ledger_lines(place: Place) -> list[dict[str, Any]]:
    """What each process used, by the time it began: seconds, and the counters of each end by name."""
    snapshots = sorted(_read(place, ledgers(place)), key=lambda one: one.began)
    return [{"seconds": snapshot.seconds, **snapshot.usage} for snapshot in snapshots]


def _read(place: Place, names: Iterable[str]) -> list[Snapshot]:
    return [Snapshot(**json.loads(place.read(f"{_FOLDER}/{name}"))) for name in sorted(names)]
