"""Intervals hold the truth as often as they say, count groups, not items, and decide nothing in a tie."""

from __future__ import annotations

import math

import numpy as np
import pytest

from builder import UserError
from trainer.evaluation import best, mean_interval, paired_difference, uncertainty, verdict


def make_items(values, num_in_group: int = 1, weights=None):
    weights = np.ones(len(values)) if weights is None else weights
    return [
        {"id": f"item {n}", "group": f"group {n // num_in_group}", "value": float(v), "weight": float(w)}
        for n, (v, w) in enumerate(zip(values, weights, strict=True))
    ]


def test_the_value_is_the_weighted_mean_whatever_the_order():
    generator = np.random.default_rng(0)
    values, weights = generator.normal(2, 1, 60), generator.integers(1, 500, 60)
    items = make_items(values, 3, weights)
    value, low, high = mean_interval(items)
    assert value == pytest.approx(np.average(values, weights=weights), rel=1e-12)
    assert low < value < high
    assert mean_interval(items[::-1]) == (value, low, high)
    assert mean_interval(items, seed=1) != (value, low, high)


def test_an_interval_of_95_percent_holds_the_truth_about_that_often():
    generator = np.random.default_rng(0)
    num_held = 0
    for _ in range(200):
        # 50 groups of 4 that share most of their luck: as 200 independent items they would look too sure.
        values = np.repeat(generator.normal(0, 1, 50), 4) + generator.normal(0, 0.3, 200)
        _, low, high = mean_interval(make_items(values, 4))
        num_held += low <= 0 <= high
    assert 180 <= num_held <= 198


def test_more_of_the_same_in_each_group_makes_nothing_surer():
    values = np.random.default_rng(0).normal(0, 1, 40)
    once = mean_interval(make_items(values))
    assert mean_interval(make_items(np.repeat(values, 5), 5)) == pytest.approx(once, rel=1e-9)
    _, low, high = mean_interval(make_items(np.repeat(values, 5)))
    assert high - low < 0.6 * (once[2] - once[1])


def test_one_group_alone_says_nothing_of_others():
    items = make_items([1.0, 2.0, 3.0], 3)
    value, low, high = mean_interval(items)
    assert value == 2.0
    assert math.isnan(low) and math.isnan(high)
    worse = [{**item, "value": item["value"] + 5} for item in items]
    assert verdict(paired_difference(items, worse)) == "undecided"


@pytest.mark.parametrize(
    ("shift", "expected"), [(-0.05, "lower"), (0.05, "higher"), (0.0, "undecided")], ids=str
)
def test_a_paired_difference_sees_what_the_intervals_of_each_side_hide(shift, expected):
    generator = np.random.default_rng(0)
    values = generator.normal(2, 1, 100)
    other = values + generator.normal(0, 0.1, 100)
    a, b = make_items(values + shift), make_items(other)
    (_, low_a, high_a), (_, low_b, high_b) = mean_interval(a), mean_interval(b)
    assert low_a < high_b and low_b < high_a
    difference = paired_difference(a, b)
    assert difference[0] == pytest.approx(np.mean(values + shift - other), abs=1e-12)
    assert verdict(difference) == expected
    assert best({"a": a, "b": b}, "lower") == {"lower": "a", "higher": "b", "undecided": None}[expected]


def test_different_items_are_not_compared():
    with pytest.raises(UserError, match="item 9"):
        paired_difference(make_items(range(9)), make_items(range(10)))


@pytest.mark.parametrize("number", [5, 12])
def test_one_interval_in_twenty_misses_the_truth_also_over_few_groups(number, monkeypatch):
    monkeypatch.setattr(uncertainty, "NUM_RESAMPLES", 500)
    dice = np.random.default_rng(0)
    missed = 0
    for seed in range(400):
        items = make_items(dice.normal(size=number))
        _, low, high = mean_interval(items, seed)
        missed += not low <= 0 <= high
    assert 0.02 * 400 < missed < 0.08 * 400
