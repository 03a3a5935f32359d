"""The guard: planted leaks are seen, and speaking of what is on the page is none."""

from __future__ import annotations

import pytest

from builder.agents import LeakageGuard, Limits, Overlap


@pytest.fixture
def guard(blueprint) -> LeakageGuard:
    return LeakageGuard(blueprint, "report.py")


def test_a_quote_is_a_long_run(guard) -> None:
    overlap = guard.overlap("I write total_area = sum(circle(radius) for radius in radii) first.")
    assert overlap.run > 8
    assert overlap.share > 0.1


@pytest.mark.parametrize(
    "quote",
    [
        "I write whole = add(round_area(r) for r in rs) first.",
        "First `n = f(g(m) for m in k)`, then the rest.",
        "x=sum( circle( y ) for y in z )",
    ],
)
def test_a_quote_with_other_names_echoes_the_body(guard, quote) -> None:
    assert guard.overlap(quote).echoes > 0


@pytest.mark.parametrize(
    "thought",
    [
        "I call `circle(radius)` for each of them (there may be none), and then `sum(areas)` at last.",
        "I use circle() and report(radii), which returns f(x); nothing else is needed (I think).",
        "I take the radii - all of them - and add (with sum) what circle gives; a total of 0 is fine.",
    ],
)
def test_prose_that_names_calls_does_not(guard, thought) -> None:
    assert guard.overlap(thought).echoes == 0


def test_names_of_the_body_alone_are_seen(guard) -> None:
    assert guard.overlap("I keep a total_area.").names == {"total_area"}


def test_the_outline_and_the_dependencies_may_be_named(guard) -> None:
    overlap = guard.overlap("I define report, which takes radii and calls circle(radius) from area.py.")
    assert overlap.names == frozenset()
    assert overlap.run <= 4


def test_plain_prose_is_no_leak(guard) -> None:
    overlap = guard.overlap("I go over the numbers, add what each contributes, and describe the result.")
    assert (overlap.run <= 1, overlap.share, overlap.names) == (True, 0.0, frozenset())


def test_what_a_draft_has_named_may_be_named_but_not_quoted(blueprint) -> None:
    draft = "def report(radii):\n    total_area = sum(circle(radius) for radius in radii)\n"
    guard = LeakageGuard(blueprint, "report.py", [draft])
    assert guard.overlap("I keep a total_area.").names == frozenset()
    assert guard.overlap("I write total_area = sum(circle(radius) for radius in radii).").run > 8


def test_who_has_seen_the_body_may_name_nothing_of_it(guard) -> None:
    naming, repeating = "I keep a total_area.", Overlap(6, 0.0, frozenset(), 0)
    for overlap, words in ((guard.overlap(naming), "names what only the body holds"), (repeating, "quotes")):
        assert Limits().of("outline").refusal(overlap) == ""
        assert Limits().of("body").refusal(overlap).startswith(words)
    tighter = Limits(max_common_run=2).of("body")
    assert (tighter.max_common_run, tighter.max_body_names) == (2, 0)
