"""The guard: planted leaks are seen, and speaking of what is on the page is none."""

from __future__ import annotations

import pytest

from builder.search.leakage import LeakageGuard


@pytest.fixture
def guard(blueprint) -> LeakageGuard:
    return LeakageGuard(blueprint, "report.py")


def test_a_quote_is_a_long_run(guard) -> None:
    overlap = guard.overlap("I write total_area = sum(circle(radius) for radius in radii) first.")
    assert overlap.run > 8
    assert overlap.share > 0.1


def test_names_of_the_body_alone_are_seen(guard) -> None:
    assert guard.overlap("I keep a total_area.").names == {"total_area"}


def test_the_outline_and_the_dependencies_may_be_named(guard) -> None:
    overlap = guard.overlap("I define report, which takes radii and calls circle(radius) from area.py.")
    assert overlap.names == frozenset()
    assert overlap.run <= 4


def test_plain_prose_is_no_leak(guard) -> None:
    overlap = guard.overlap("I go over the numbers, add what each contributes, and describe the result.")
    assert (overlap.run <= 1, overlap.share, overlap.names) == (True, 0.0, frozenset())
