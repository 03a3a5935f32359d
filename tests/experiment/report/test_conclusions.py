"""What is said is what the data say: planted wins, losses and ties, and what forbids a comparison."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import numpy as np
import pytest

from builder import UserError
from experiment.report import conclusions
from experiment.report.compare import compare, mean, pairs
from experiment.report.data import FIRST_MEASURE, read
from trainer.evaluation import paired_difference

METHOD, PLAIN = "repo2agent-search", "raw-repos"
THREE = {"base": 0.0, PLAIN: -0.05, METHOD: -0.05}
ALL = {
    "base": 0.0,
    "general": 0.03,
    PLAIN: -0.05,
    "spec-only": -0.05,
    "repo2agent": -0.055,
    "repo2agent-random": -0.055,
    METHOD: -0.08,
    "repo2agent-search-debug": -0.08,
}


def of_kind(found, kind):
    return [conclusion for conclusion in found if conclusion.kind == kind]


def said_of(found, arm, other):
    (conclusion,) = (
        c for c in of_kind(found, "comparison") if (c.comparison.arm, c.comparison.other) == (arm, other)
    )
    return conclusion


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)], ids=["one seed", "three seeds"])
@pytest.mark.parametrize(
    ("effect", "headline", "verdict", "words"),
    [
        (-0.04, "win", "better", f"{METHOD} is better than {PLAIN}: −0."),
        (+0.04, "loss", "worse", f"{METHOD} is worse than {PLAIN}: +0."),
        (0.0, "undecided", "undecided", f"Whether {METHOD} is better or worse than {PLAIN} cannot be told: "),
    ],
    ids=["win", "loss", "tie"],
)
def test_a_planted_result_is_what_is_said(planted, seeds, effect, headline, verdict, words) -> None:
    found = conclusions(planted({**THREE, METHOD: -0.05 + effect}, seeds=seeds))
    assert found[0].kind == "headline"
    assert found[0].verdict == headline
    assert {"win": "The method wins", "loss": "The method loses", "undecided": "Undecided"}[
        headline
    ] in found[0].text
    comparison = said_of(found, METHOD, PLAIN)
    assert comparison.verdict == verdict
    assert comparison.text.startswith(words)
    difference = comparison.comparison.difference
    assert difference.low <= effect <= difference.high
    assert difference.num_seeds == len(seeds)
    assert [c.kind for c in found][1:3] == ["compared", "measured"]


def test_where_more_is_better_more_wins(planted) -> None:
    found = read(planted({"base": 0.0, PLAIN: 0.04, METHOD: -0.04}))
    comparison = compare(found, METHOD, PLAIN, "humaneval/pass@1")
    assert comparison.difference.value > 0
    assert comparison.verdict == "better"


def test_each_pair_that_matters_is_looked_at_once(planted) -> None:
    found = conclusions(planted(ALL))
    looked_at = [frozenset((c.comparison.arm, c.comparison.other)) for c in of_kind(found, "comparison")]
    assert len(looked_at) == len(set(looked_at)) == 25
    trained = [arm for arm in ALL if arm != "base"]
    expected = {frozenset((arm, other)) for other in ("base", "general", PLAIN) for arm in trained}
    expected |= {frozenset((METHOD, other)) for other in ("repo2agent", "repo2agent-random", "spec-only")}
    expected |= {frozenset((arm, "spec-only")) for arm in ("repo2agent", "repo2agent-random")}
    expected |= {frozenset(("repo2agent-search-debug", other)) for other in ("spec-only", METHOD)}
    assert set(looked_at) == {pair for pair in expected if len(pair) == 2}
    assert any("25 comparisons were made" in c.text and "1.2 of them" in c.text for c in found)


@pytest.mark.parametrize(("total", "comparable"), [(1_004_000, True), (1_006_000, False), (900_000, False)])
def test_arms_that_saw_another_number_of_tokens_are_named_and_not_compared(
    planted, total, comparable
) -> None:
    effects = {"base": 0.0, "general": 0.0, PLAIN: -0.05, METHOD: -0.15}
    found = conclusions(planted(effects, totals={METHOD: total}))
    assert found[0].verdict == ("win" if comparable else "not comparable")
    assert (said_of(found, METHOD, PLAIN).verdict == "better") is comparable
    assert (said_of(found, METHOD, "general").verdict == "better") is comparable
    assert said_of(found, METHOD, "base").verdict == "better"  # trained on nothing, and meant to be
    assert said_of(found, PLAIN, "general").verdict == "better"
    (tokens,) = (c.text for c in of_kind(found, "caution") if c.text.startswith("Total tokens"))
    if comparable:
        assert tokens == "Total tokens of the trained arms agree within 0.40 %."
    else:
        assert f"{METHOD} ({total:,}) is not comparable" in tokens
        assert PLAIN not in tokens
        assert "1,000,000 tokens in total" in said_of(found, METHOD, PLAIN).text


def test_with_one_seed_it_is_said_that_seeds_may_differ(planted) -> None:
    effects = {**THREE, METHOD: -0.09}
    once, thrice = (conclusions(planted(effects, seeds=seeds)) for seeds in ((4,), (0, 1, 2)))
    assert "in the one training run that each had" in once[0].text
    assert any("once (seed 4): how much results vary between seeds is unknown" in c.text for c in once)
    assert "one training run" not in thrice[0].text
    assert not any("unknown" in c.text for c in thrice)
    assert any("over 3 seeds and over repositories" in c.text for c in thrice)


def test_a_run_that_is_not_conclusive_judges_nothing(planted) -> None:
    tiny = planted({**THREE, METHOD: -0.3}, seeds=(0,), num_repositories=2, conclusive=False)
    found = conclusions(tiny)
    assert found[0].verdict == "machinery"
    assert "shows the machinery only" in found[0].text
    assert tiny["shows"] in found[0].text
    assert {c.verdict for c in of_kind(found, "comparison")} == {"not judged"}
    assert not any(word in c.text for c in found for word in ("better than", "worse than", "wins", "loses"))


def test_few_repositories_speak_for_themselves_only(planted) -> None:
    few, many = (conclusions(planted({**THREE, METHOD: -0.3}, num_repositories=number)) for number in (4, 5))
    assert few[0].text.startswith("On these 4 repositories, the method wins")
    assert any("speak of these repositories only" in c.text for c in few)
    assert many[0].text.startswith("The method wins")
    assert not any("speak of these repositories only" in c.text for c in many)


def test_a_win_says_what_else_may_have_brought_it(planted) -> None:
    alike = conclusions(planted({**THREE, "spec-only": -0.15, METHOD: -0.15}))
    assert alike[0].verdict == "win"
    told = " ".join(c.text for c in of_kind(alike, "qualification"))
    assert "The comparison with spec-only does not show that it comes from the thoughts" in told
    assert "Without a comparison with repo2agent-random" in told
    assert "base" not in told
    clear = conclusions(planted({**ALL, METHOD: -0.2}))
    assert of_kind(clear, "qualification") == []
    assert of_kind(conclusions(planted(THREE)), "qualification") == []


def test_without_a_search_unsearched_trajectories_stand_for_the_method(planted) -> None:
    found = conclusions(planted({"base": 0.0, PLAIN: -0.05, "repo2agent": -0.15}))
    assert found[0].verdict == "win"
    assert "after repo2agent, the NLL" in found[0].text


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda items: items.pop(), "measured on different items"),
        (lambda items: items[0].update(value=math.nan), "not numbers"),
        (lambda items: items[0].update(weight=items[0]["weight"] + 1), "measured on different items"),
    ],
    ids=["an item less", "diverged", "another weight"],
)
def test_what_cannot_be_paired_is_not_compared(planted, spoil, words) -> None:
    found = planted(THREE)
    measure = found["arms"][2]["runs"][1]["results"]["measures"][0]
    spoil(measure["items"])
    said = conclusions(found)
    assert said[0].verdict == "not comparable"
    assert words in said_of(said, METHOD, PLAIN).text
    assert said_of(said, PLAIN, "base").verdict == "better"


def test_one_item_is_no_evidence(planted) -> None:
    found = planted({**THREE, METHOD: -0.5})
    for arm in found["arms"]:
        for run in arm["runs"]:
            del run["results"]["measures"][0]["items"][1:]
    assert conclusions(found)[0].verdict == "not comparable"


def test_without_the_first_measure_or_the_arms_nothing_is_claimed(planted) -> None:
    unmeasured = planted(THREE)
    for arm in unmeasured["arms"]:
        for run in arm["runs"]:
            del run["results"]["measures"][0]
    assert conclusions(unmeasured)[0].verdict == "not comparable"
    assert "was not taken" in conclusions(unmeasured)[2].text
    for arms in (["base", PLAIN], ["base", METHOD], ["base"], []):
        found = conclusions(planted({arm: THREE[arm] for arm in arms}))
        assert found[0].verdict == "not comparable"
        assert "was not run" in found[0].text


def test_seeds_that_only_one_arm_has_do_not_count(planted) -> None:
    found = planted({**THREE, METHOD: -0.15})
    del found["arms"][1]["runs"][0]
    assert said_of(conclusions(found), METHOD, PLAIN).comparison.difference.num_seeds == 2
    del found["arms"][1]["runs"][:]
    assert conclusions(found)[0].verdict == "not comparable"


def test_the_untrained_model_counts_once_however_often_it_was_measured(planted) -> None:
    once = planted(THREE)
    thrice = copy.deepcopy(once)
    thrice["arms"][0]["runs"] = [{**once["arms"][0]["runs"][0], "seed": seed} for seed in range(3)]
    texts = [said_of(conclusions(found), METHOD, "base").text for found in (once, thrice)]
    assert texts[0] == texts[1]


def test_the_same_results_give_the_same_words_in_whatever_order_they_come(planted) -> None:
    found = planted(ALL)
    turned = copy.deepcopy(found)
    for arm in turned["arms"]:
        arm["runs"].reverse()
        for run in arm["runs"]:
            for measure in run["results"]["measures"]:
                measure["items"].reverse()
    assert [c.text for c in conclusions(turned)] == [c.text for c in conclusions(found)]


@pytest.mark.parametrize(
    ("between_seeds", "between_repositories", "seeds"),
    [(0.0, 0.008, (0,)), (0.002, 0.008, (0, 1, 2)), (0.008, 0.002, (0, 1, 2)), (0.008, 0.0, (0, 1))],
    ids=["one seed", "seeds alike", "seeds differ", "two seeds that are all there is"],
)
def test_where_nothing_differs_it_is_seldom_said_to(
    planted, between_seeds, between_repositories, seeds
) -> None:
    effects = {PLAIN: -0.05, METHOD: -0.05}
    told = 0
    for chance in range(200):
        found = read(
            planted(
                effects,
                seeds=seeds,
                num_repositories=10,
                chance=chance,
                between_seeds=between_seeds,
                between_repositories=between_repositories,
            )
        )
        told += compare(found, METHOD, PLAIN, FIRST_MEASURE).verdict in ("better", "worse")
    assert told <= 16  # of 200, at 95 % each


def test_a_difference_as_large_as_seeds_and_repositories_vary_is_found(planted) -> None:
    verdicts = [
        compare(
            read(planted({PLAIN: 0.0, METHOD: -0.02}, chance=chance)), METHOD, PLAIN, FIRST_MEASURE
        ).verdict
        for chance in range(50)
    ]
    assert "worse" not in verdicts
    assert verdicts.count("better") >= 45


def test_more_seeds_narrow_the_interval(planted) -> None:
    def width(seeds: int) -> float:
        differences = [
            compare(
                read(planted(THREE, seeds=range(seeds), between_seeds=0.02, chance=chance)),
                METHOD,
                PLAIN,
                FIRST_MEASURE,
            ).difference
            for chance in range(8)
        ]
        return float(np.mean([difference.high - difference.low for difference in differences]))

    widths = [width(seeds) for seeds in (2, 4, 12)]
    assert all(after < before for before, after in pairwise(widths))


def test_one_seed_and_many_repositories_give_the_interval_of_the_evaluation(planted) -> None:
    experiment = read(planted(THREE, seeds=(0,), num_repositories=200))
    items = [experiment.arm(arm).runs[0].measures[FIRST_MEASURE].items for arm in (METHOD, PLAIN)]
    value, low, high = paired_difference(*items)
    found = compare(experiment, METHOD, PLAIN, FIRST_MEASURE).difference
    assert found.value == pytest.approx(value)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_a_mean_over_seeds_is_the_mean_of_their_values(planted) -> None:
    experiment = read(planted(THREE))
    arm = experiment.arm(METHOD)
    values = [run.measures[FIRST_MEASURE].value for run in arm.runs]
    estimate = mean(arm, FIRST_MEASURE)
    assert estimate.value == pytest.approx(np.mean(values))
    assert estimate.low < estimate.value < estimate.high
    once = experiment.arm("base")
    assert (mean(once, FIRST_MEASURE).low, mean(once, FIRST_MEASURE).high) == once.runs[0].measures[
        FIRST_MEASURE
    ].interval


def test_unknown_arms_are_looked_at_beside_the_baselines(planted) -> None:
    experiment = read(planted({**THREE, "of-my-own": -0.1}))
    assert {other for arm, other in pairs(experiment) if arm == "of-my-own"} == {"base", PLAIN}


def test_results_of_another_version_or_with_a_gap_are_refused_in_one_line(planted) -> None:
    found = planted(THREE)
    with pytest.raises(UserError, match="version 1, not 2"):
        conclusions({**found, "version": 2})
    del found["arms"][0]["title"]
    with pytest.raises(UserError, match="no 'title'"):
        conclusions(found)
