"""What a report says is what the rows and the log hold."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter

import pytest

from builder.errors import UserError
from builder.report import rescore, sample_of, write_report
from builder.report.evidence import Interval, Thought, evidence, mean_gain
from builder.report.page import collect, conclusions, rounds_table
from builder.report.rounds import RANDOM, SEARCHED, rounds_of
from builder.rows import read_rows
from builder.search import CONTROLS, Scorer, SearchOptions


@pytest.fixture(scope="module")
def rows(dataset):
    return list(read_rows(dataset, SEARCHED))


@pytest.fixture(scope="module")
def log(dataset):
    return list(read_rows(dataset, "search-log"))


@pytest.fixture(scope="module")
def found(rows, log):
    return evidence(rows, log)


def test_the_last_round_is_the_rows_and_the_round_before_any_the_first_thoughts(found, rows) -> None:
    scores = [score for row in rows for score in row["scores"]]
    assert len(found.thoughts) == len(scores) > 12
    weight = sum(score["num_target_tokens"] for score in scores)
    for point, column in ((found.searched[-1], "nll"), (found.searched[0], "nll_before")):
        mean = sum(score[column] * score["num_target_tokens"] for score in scores) / weight
        assert point.nll == pytest.approx(mean, abs=1e-6)
    body_weight = sum(score["num_body_tokens"] for score in scores)
    body = sum((score["body_nll"] or 0.0) * score["num_body_tokens"] for score in scores) / body_weight
    assert found.searched[-1].body_nll == pytest.approx(body, abs=1e-6)
    assert sum(point.num_accepted for point in found.searched) == sum(s["rounds_accepted"] for s in scores)
    lengths = [score["num_thought_tokens"] for score in scores]
    assert found.searched[-1].num_thought_tokens == pytest.approx(sum(lengths) / len(lengths))


def test_nll_falls_over_the_rounds_of_a_search_and_chance_takes_as_many_rewrites(found) -> None:
    nlls = [point.nll for point in found.searched]
    assert nlls == sorted(nlls, reverse=True)
    assert nlls[-1] < found.random[-1].nll
    assert [p.num_accepted for p in found.random] == [p.num_accepted for p in found.searched]
    assert found.random[0].nll == pytest.approx(nlls[0], abs=1e-6)


def test_rounds_added_up_from_the_log_alone_are_those_of_rows_and_log(found, log) -> None:
    streamed = rounds_of(iter(log), walked=True)
    assert streamed.num_thoughts == len(found.thoughts)
    assert rounds_table(streamed) == rounds_table(found)
    without = rounds_of((entry for entry in log if entry["config"] != RANDOM), walked=False)
    assert without.searched == streamed.searched
    assert without.random == []


def test_a_thought_whose_search_ended_early_stands_through_the_later_rounds(log) -> None:
    """Whatever the order of repositories, and though the number of rounds is not known before the end."""
    ids = sorted({entry["id"] for entry in log})
    parts = [[entry for entry in log if entry["id"] == name] for name in ids]
    short = [entry for entry in parts[0] if entry["round"] < 2]
    orders = [[*short, *parts[1], *parts[2]], [*parts[1], *parts[2], *short]]
    first, second = (rounds_of(order, walked=True) for order in orders)
    assert len(first.searched) == len(second.searched) == 4
    for one, other in zip(first.searched, second.searched, strict=True):
        assert one.nll == pytest.approx(other.nll)
        assert one.num_accepted == other.num_accepted


def test_gains_are_those_of_the_rows(found, rows) -> None:
    scores = [score for row in rows for score in row["scores"]]
    for body, gain, weight in ((False, "gain", "num_target_tokens"), (True, "body_gain", "num_body_tokens")):
        total = sum(score[weight] for score in scores if score[gain] is not None)
        mean = sum(score[gain] * score[weight] for score in scores if score[gain] is not None) / total
        interval = mean_gain(found.thoughts, body=body)
        assert interval.mean == pytest.approx(mean, abs=1e-6)
        assert interval.low <= interval.mean <= interval.high
    best = found.controls["best"]
    assert all(best <= found.controls[name] for name in CONTROLS)


def test_every_rewrite_has_one_outcome(found, log) -> None:
    drawn = Counter((entry["config"], entry["round"]) for entry in log if entry["round"] > 0)
    counted = {(c, r): o.total() for c, rounds in found.outcomes.items() for r, o in rounds.items()}
    assert counted == drawn
    assert {SEARCHED, RANDOM, "repo2agent-search-debug"} == set(found.outcomes)
    assert "other" not in {
        reason for rounds in found.outcomes.values() for o in rounds.values() for reason in o
    }


def test_a_log_of_other_words_is_counted_as_other(rows, log) -> None:
    renamed = [{**entry, "reason": "$\\frac{<b>"} for entry in log]
    assert set().union(*evidence(rows, renamed).outcomes[SEARCHED].values()) == {"other"}


def test_scored_again_by_whoever_chose_a_thought_is_worth_what_its_row_says(
    dataset, model, rows, log
) -> None:
    walked = list(read_rows(dataset, RANDOM))
    chosen = sample_of(rows, 6)
    assert chosen == sample_of(reversed(rows), 6)
    again = asyncio.run(rescore(rows, log, Scorer(model), SearchOptions(), chosen, walked))
    assert len(again) == len(chosen)

    def scores(of):
        return {
            (row["id"], row["steps"][score["step"]]["path"]): score for row in of for score in row["scores"]
        }

    searched, at_random = scores(rows), scores(walked)
    for thought in again:
        key = thought.repository, thought.path
        expected = {name: searched[key][f"nll_{name}"] for name in CONTROLS}
        expected |= {"first": searched[key]["nll_before"], "searched": searched[key]["nll"]}
        expected["random"] = at_random[key]["nll"]
        assert thought.nll == pytest.approx(expected, abs=1e-6)
        assert thought.body_nll["searched"] == pytest.approx(searched[key]["body_nll"], abs=1e-6)


def planted(*gains: float) -> list[Thought]:
    return [
        Thought(f"r{n}", "a.py", 100, 50, {"none": 1.0, "outline": 1.2, "searched": 1.0 - gain}, {})
        for n, gain in enumerate(gains)
    ]


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([0.1, 0.12, 0.09, 0.11, 0.1, 0.13], "gain"),
        ([-0.1, -0.12, -0.09, -0.11, -0.1, -0.13], "loss"),
        ([-0.1, 0.12, -0.09, 0.11, -0.1, 0.07], "no difference"),
        ([0.0] * 6, "no difference"),
    ],
)
def test_the_verdict_is_that_of_the_interval(gains, verdict) -> None:
    interval = mean_gain(planted(*gains))
    assert interval.verdict == verdict
    assert interval.mean == pytest.approx(sum(gains) / len(gains))
    assert mean_gain(planted(*gains)) == interval


def test_the_interval_covers_as_often_as_it_says() -> None:
    import numpy

    chance = numpy.random.default_rng(3)
    covered = 0
    for _ in range(200):
        interval = mean_gain(planted(*chance.normal(0.02, 0.1, size=40)))
        covered += interval.low <= 0.02 <= interval.high
    assert 176 <= covered <= 199


def test_a_gain_is_beyond_each_thoughts_own_best_control() -> None:
    two = [
        Thought("a", "x.py", 100, 0, {"none": 1.0, "outline": 2.0, "searched": 1.5}, {}),
        Thought("b", "y.py", 300, 0, {"none": 2.0, "outline": 1.0, "searched": 1.5}, {}),
    ]
    assert mean_gain(two).mean == pytest.approx(-0.5)  # though it lies at the mean of either control
    assert mean_gain(two, over="none").mean == pytest.approx((-0.5 * 100 + 0.5 * 300) / 400)
    assert mean_gain(two, name="random") is None


def test_the_page_holds_the_figures_and_comes_out_the_same_again(dataset, found, tmp_path) -> None:
    page = write_report(collect(dataset), tmp_path / "one")
    text = page.read_text()
    for name in ("gains", "rounds", "outcomes", "lengths"):
        assert f'<figure id="{name}"><svg' in text
        assert (page.parent / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    for point in (*found.searched, *found.random[1:]):
        assert f"<td>{point.nll:.4f}</td><td>{point.body_nll:.4f}</td>" in text
    assert write_report(collect(dataset), tmp_path / "two").read_bytes() == page.read_bytes()
    assert not re.search(r"(?:src|href)=\"(?!#)", text)


def test_what_was_used_is_added_up(dataset, tmp_path) -> None:
    usage = {"prompt_tokens": 10, "generated_tokens": 2_000, "scored_tokens": 0}
    runs = [{"seconds": 60.0, "generator": usage}, {"seconds": 40.5, "generator": usage}]
    (dataset / "usage.jsonl").write_text("".join(f"{json.dumps(run)}\n" for run in runs))
    try:
        text = write_report(collect(dataset), tmp_path).read_text()
    finally:
        (dataset / "usage.jsonl").unlink()
    assert "<td>generator: generated tokens</td><td>4,000</td>" in text
    assert "<td>seconds of building, over all starts</td><td>100</td>" in text


def test_conclusions_are_worded_as_the_figures_are(dataset) -> None:
    report = collect(dataset)
    lines = conclusions(report)
    assert [line["verdict"] for line in lines] == [
        mean_gain(report.found.thoughts).verdict,
        mean_gain(report.found.thoughts, "searched", "random").verdict,
    ]
    assert lines[1]["text"].startswith("Choosing is better than accepting at random: +0.")
    report.rescored["under a second model"] = planted(*[-0.1] * 6)
    assert conclusions(report)[-1]["text"].startswith(
        "Under a second model, 6 of them are worse than the best control"
    )


def test_an_interval_that_touches_zero_shows_nothing() -> None:
    assert Interval(0.1, 0.0, 0.2).verdict == Interval(-0.1, -0.2, 0.0).verdict == "no difference"


def test_a_dataset_without_a_search_is_named(tmp_path) -> None:
    with pytest.raises(UserError, match="no rows of repo2agent-search"):
        collect(tmp_path)


CONTRAST = """
const parse = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
  const share = part / 255; return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4; });
const light = (colour) => { const [r, g, b] = parse(colour); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = light(getComputedStyle(document.querySelector('figure')).backgroundColor);
return [...document.querySelectorAll('svg text')].map((text) => {
  const ink = light(getComputedStyle(text).fill);
  return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05); });
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_asks_for_nothing_and_is_readable(
    browser, assert_asked_for_nothing, dataset, tmp_path, scheme
) -> None:
    address = write_report(collect(dataset), tmp_path).as_uri()
    browser.get_log("performance"), browser.get_log("browser")  # from the page before
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(address)
    try:
        contrasts = browser.execute_script(CONTRAST)
        assert len(contrasts) > 30
        assert min(contrasts) > 7  # WCAG's enhanced contrast
        widths = "return [...document.querySelectorAll('figure svg')].map((chart) => chart.clientWidth)"
        assert min(browser.execute_script(widths)) > 400
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert_asked_for_nothing(browser, [address])
