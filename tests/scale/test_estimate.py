"""Samples say of all what their intervals promise, on made populations and on 200 real packages."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from builder.scale import Sample, draw, estimate, num_files, sizes
from builder.selection import Record

TABLE = Path(__file__).parents[2] / "benchmarks" / "scale" / "needs.csv"
KNOWN = ("num_files", "num_bytes", "num_code_files", "num_code_bytes")


@pytest.fixture(scope="module")
def population():
    """300 sizes, a few of them large, and a quantity that goes with them and with much else."""
    dice = np.random.default_rng(0)
    size = dice.lognormal(2, 1, 300)
    return size, size * dice.uniform(0.3, 1.7, 300)


def of(sample: Sample, values):
    return [values[place] for place in sample.places]


def test_a_sample_has_as_many_as_wanted_each_once_and_is_the_same_for_a_seed(population) -> None:
    size, _ = population
    for number in (2, 3, 20, 150, 299):
        for seed in range(20):
            sample = draw(size, number, seed)
            assert len(set(sample.places)) == number
            assert list(sample.places) == sorted(sample.places)
            assert sample == draw(size, number, seed)
    assert draw(size, 20, 0) != draw(size, 20, 1)


def test_each_is_drawn_as_often_as_its_chance_says(population) -> None:
    size, _ = population
    samples = [draw(size, 30, seed) for seed in range(2000)]
    drawn = np.bincount([place for sample in samples for place in sample.places], minlength=300) / 2000
    chances = {
        place: chance for sample in samples for place, chance in zip(*vars(sample).values(), strict=True)
    }
    for place, chance in chances.items():
        assert abs(drawn[place] - chance) < 5 * np.sqrt(chance * (1 - chance) / 2000) + 1e-9


def test_the_largest_are_always_there() -> None:
    size = [1.0] * 50 + [30.0, 1000.0]
    for seed in range(20):
        sample = draw(size, 5, seed)
        assert sample.places[-2:] == (50, 51)
        assert sample.chances[-2:] == (1.0, 1.0)


def test_all_of_them_leave_nothing_to_estimate(population) -> None:
    size, values = population
    for number in (300, 1000):
        found = estimate(draw(size, number, 0), values, size)
        assert found.total == pytest.approx(values.sum())
        assert found.half_width == 0


def test_what_goes_exactly_with_the_known_column_is_known(population) -> None:
    size, _ = population
    sample = draw(np.sqrt(size), 10, 0)
    found = estimate(sample, of(sample, 3 * size), size)
    assert found.total == pytest.approx(3 * size.sum())
    assert found.half_width == pytest.approx(0, abs=1e-6 * found.total)


def test_one_that_is_drawn_alone_says_nothing_of_the_others(population) -> None:
    size, values = population
    sample = draw(size, 1, 0)
    assert estimate(sample, of(sample, values), size).half_width == np.inf


def test_estimates_lie_around_the_truth_and_intervals_hold_it(population) -> None:
    size, values = population
    found = [
        estimate(sample, of(sample, values), size) for sample in (draw(size, 20, seed) for seed in range(400))
    ]
    totals = np.array([one.total for one in found])
    assert abs(totals.mean() - values.sum()) < 4 * totals.std() / np.sqrt(400)
    assert 0.91 < np.mean([one.covers(values.sum()) for one in found]) < 0.98


def test_a_part_of_the_sources_speaks_for_all_with_a_wider_interval(population) -> None:
    """Two phases: 100 of 300 are looked at, a third of which is left out, and 20 are gone through."""
    size, values = population
    stays = np.arange(300) % 3 > 0
    truth = values[stays].sum()
    covered = []
    for seed in range(300):
        looked_at = np.random.default_rng(seed).permutation(300)[:100]
        chosen = np.sort(looked_at[stays[looked_at]])
        sample = draw(size[chosen], 20, seed)
        found = estimate(sample, of(sample, values[chosen]), size[chosen], (100, 300))
        alone = estimate(sample, of(sample, values[chosen]), size[chosen])
        assert found.total == pytest.approx(3 * alone.total)
        assert found.relative > alone.relative
        covered.append(found.covers(truth))
    assert 0.9 < np.mean(covered) < 0.99


def test_nothing_is_without_size() -> None:
    with pytest.raises(ValueError, match="no size"):
        draw([1.0, 0.0], 1, 0)
    empty = [Record("a"), Record("b", num_files=1, num_bytes=5)]
    assert (sizes(empty) > 0).all()


@pytest.mark.parametrize("quantity", ["calls", "prompt_tokens", "generated_tokens", "scored_tokens"])
def test_20_of_200_packages_foretell_all_of_them(quantity: str) -> None:
    """`benchmarks/scale/plan.py` made the table, and prints more of it."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 200
    records = [Record(line["source"], **{name: int(line[name]) for name in KNOWN}) for line in lines]
    values = [float(line[quantity]) for line in lines]
    found = [
        estimate(sample, of(sample, values), num_files(records))
        for sample in (draw(sizes(records), 20, seed) for seed in range(100))
    ]
    assert max(one.relative for one in found) <= 0.35
    assert sum(one.covers(sum(values)) for one in found) >= 90
