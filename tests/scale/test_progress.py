"""What a build has used is the sum over its processes, and ends it where that is said."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from builder.config import BudgetOptions, PriceOptions
from builder.scale import BudgetReached
from builder.scale.place import Place
from builder.scale.progress import Ledger, Snapshot, check_budget, cost, ledger_lines, ledgers, total

USAGE = {
    "calls": 10,
    "stored": 2,
    "failed": 1,
    "prompt_tokens": 100,
    "generated_tokens": 30,
    "scored_tokens": 0,
}


def put(place: Place, name: str, began: float, seconds: float) -> None:
    snapshot = Snapshot(
        1, 50, 12, 10, began, seconds, {"generator": dict(USAGE), "scorer": {"scored_tokens": 7}}
    )
    place.write(f".build/progress/{name}.json", json.dumps(asdict(snapshot)))


def test_hours_at_work_are_counted_once_however_many_were_at_it(tmp_path) -> None:
    place = Place(tmp_path)
    for name, began, seconds in (("b", 1000, 100), ("a", 1050, 100), ("c", 1060, 10), ("d", 5000, 30)):
        put(place, name, began, seconds)
    found = total(place)
    assert found.seconds == 150 + 30
    assert found.repositories == 4
    assert found.calls == 4 * 8
    assert found.tokens == 4 * 137
    assert total(place, without=ledgers(place)) == Snapshot()
    assert [line["seconds"] for line in ledger_lines(place)] == [100, 100, 10, 30]


@pytest.mark.parametrize(
    ("limit", "enough"), [("calls", 8), ("tokens", 137), ("cost", 0.000167), ("hours", 100 / 3600)]
)
def test_each_limit_ends_a_build_that_reaches_it(limit, enough, tmp_path) -> None:
    place, prices = Place(tmp_path), PriceOptions(prompt=1.0, generated=2.0, scored=1.0)
    put(place, "a", 1000, 100)
    found = total(place)
    assert cost(found, prices) == pytest.approx(0.000167)
    check_budget(found, BudgetOptions(**{limit: enough * 1.01}), prices)
    with pytest.raises(BudgetReached, match=f"raise --budget.{limit} and start again"):
        check_budget(found, BudgetOptions(**{limit: enough * 0.999}), prices)


def test_a_ledger_is_overwritten_and_never_half_written(tmp_path) -> None:
    place = Place(tmp_path)
    ledger = Ledger(place)
    for number in range(3):
        ledger.write(Snapshot(repositories=number))
    assert total(place).repositories == 2
    assert len(ledgers(place)) == 1
