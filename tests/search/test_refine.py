"""The search: what is scored is the row, and a rewrite is taken only for what it is worth."""

from __future__ import annotations

import asyncio
import math

import pytest

from builder.agents import AgentOptions, Team, debug
from builder.llm import ModelError
from builder.search import (
    CONTROLS,
    Scorer,
    SearchOptions,
    choose_target,
    num_search_calls,
    refine,
    refine_at_random,
    refine_debugging,
)
from builder.trajectory import render


def search(blueprint, model, **options):
    team = Team(blueprint, model, AgentOptions(), seed=0)

    async def run():
        trajectory = await team.simulate()
        return trajectory, await refine(team, trajectory, Scorer(model), SearchOptions(**options))

    first, refined = asyncio.run(run())
    return team, first, refined


def length_lover(tokenizer, word: str):
    """Log-probs that rise with each ``word`` in the last thought before the code, and with nothing else."""

    def logprob(context, target):
        text = tokenizer.decode(context)
        thought = text.rpartition("<think>")[2].partition("</think>")[0]
        return [-2.0 + 0.1 * thought.count(word)] * len(target)

    return logprob


def answers(messages, seed):
    """First thoughts say nothing; rewrites say `better` a number of times that the seed decides."""
    if "My thoughts so far" in messages[1]["content"]:
        return "I think. " + "better " * (seed % 5)
    return "I think."


def test_every_stored_score_is_a_score_of_the_row(
    blueprint, scripted, bytes_tokenizer, assert_scores_are_of_the_row
) -> None:
    model = scripted(answer=answers, logprob=length_lover(bytes_tokenizer, "better"), max_input_tokens=600)
    _, _, refined = search(blueprint, model, price=0.0)
    document = render(refined.trajectory)
    assert [refined.trajectory.steps[s["step"]].path for s in refined.scores] == ["area.py", "report.py"]
    assert assert_scores_are_of_the_row({**vars(document), "scores": refined.scores}, bytes_tokenizer) == 2
    assert all(len(context) + len(target) <= 600 for context, target in model.scored)


def test_the_best_rewrite_wins_and_the_log_keeps_all(blueprint, scripted, bytes_tokenizer) -> None:
    model = scripted(answer=answers, logprob=length_lover(bytes_tokenizer, "better"))
    team, _, refined = search(blueprint, model, price=0.0, rounds=3, candidates=2)
    for score in refined.scores:
        tried = [
            e for e in refined.log if e["step"] == score["step"] and e["round"] > 0 and e["nll"] is not None
        ]
        assert score["nll"] == min([score["nll_before"], *(e["nll"] for e in tried)])
        assert score["gain"] == pytest.approx(min(score[f"nll_{c}"] for c in CONTROLS) - score["nll"])
        body = min(score[f"body_nll_{c}"] for c in CONTROLS) - score["body_nll"]
        assert score["body_gain"] == pytest.approx(body)
        nats = score["gain"] * score["num_target_tokens"]
        bits = score["bits_per_thought_token"] * score["num_thought_tokens"]
        assert bits * math.log(2) == pytest.approx(nats)
        assert score["rounds_accepted"] == sum(e["accepted"] for e in tried)
    assert {e["candidate"] for e in refined.log} == {*CONTROLS, "first", "0", "1"}
    assert len(refined.log) == 2 * (len(CONTROLS) + 1 + 6)
    assert len(model.scored) + 12 <= num_search_calls(2, SearchOptions())
    assert not team.notes + refined.notes


def test_tokens_have_a_price(blueprint, scripted, bytes_tokenizer) -> None:
    model = scripted(answer=answers, logprob=length_lover(bytes_tokenizer, "better"))
    _, first, refined = search(blueprint, model, price=1.0)
    assert refined.trajectory == first


def test_no_difference_is_no_reason_to_rewrite(blueprint, scripted) -> None:
    _, first, refined = search(blueprint, scripted(answer=answers))
    assert refined.trajectory == first
    assert all(score["nll"] == score["nll_before"] for score in refined.scores)


def test_a_rewrite_that_quotes_the_code_is_not_even_scored(blueprint, scripted, bytes_tokenizer) -> None:
    body = "total_area = sum(circle(radius) for radius in radii)"

    def answer(messages, seed):
        return f"I better write {body}" if "My thoughts so far" in messages[1]["content"] else "I think."

    model = scripted(answer=answer, logprob=length_lover(bytes_tokenizer, "better"))
    _, _, refined = search(blueprint, model)
    entries = [e for e in refined.log if e["path"] == "report.py" and e["round"] > 0]
    assert all(e["reason"].startswith("quotes the code") and e["nll"] is None for e in entries)


def test_a_first_thought_that_leaks_is_taken_out(blueprint, scripted) -> None:
    body = "I write total_area = sum(circle(radius) for radius in radii) and return it."
    _, _, refined = search(blueprint, scripted(answer=lambda messages, seed: body))
    assert [s.path for s in refined.trajectory.steps if s.kind == "design"] == ["area.py"]
    assert any("taken out" in note for note in refined.notes)
    steps = refined.trajectory.steps
    assert all(steps[score["step"]].kind == "design" for score in refined.scores)


def test_a_call_that_fails_costs_the_thought_it_was_for(blueprint, scripted, bytes_tokenizer) -> None:
    def logprob(context, target):
        if "report(radii)" in bytes_tokenizer.decode(target):
            raise ModelError("broken")
        return [-1.0] * len(target)

    _, _, refined = search(blueprint, scripted(logprob=logprob))
    assert [refined.trajectory.steps[s["step"]].path for s in refined.scores] == ["area.py"]
    assert [s.path for s in refined.trajectory.steps if s.kind == "design"] == ["area.py", "report.py"]
    assert any("broken" in note for note in refined.notes)


def test_imports_are_not_scored_and_the_body_is_what_the_outline_hides(blueprint, bytes_tokenizer) -> None:
    target = choose_target(blueprint, "area.py", bytes_tokenizer, 256, 2)
    content = blueprint.repository.file("area.py").content
    ids = bytes_tokenizer(content, add_special_tokens=False)["input_ids"]

    def text(positions) -> str:
        return bytes_tokenizer.decode([ids[position] for position in sorted(positions)])

    assert "import" not in text(target.scored)
    assert text(target.scored).strip().startswith("def circle")
    assert "squared_radius" in text(target.body)
    assert "def circle" not in text(target.body)


def test_long_files_are_sampled_in_windows_of_the_given_size(blueprint, bytes_tokenizer) -> None:
    target = choose_target(blueprint, "area.py", bytes_tokenizer, 16, 3)
    assert [end - start for start, end in target.windows] == [16, 16, 16]
    assert target.scored <= {t for start, end in target.windows for t in range(start, end)}


# Under a budget


@pytest.mark.parametrize("max_calls", [0, 1, 5, 9, 14, 21])
def test_a_budget_ends_the_search_and_keeps_what_it_has(
    blueprint, scripted, bytes_tokenizer, max_calls
) -> None:
    def searched(**budget):
        model = scripted(answer=answers, logprob=length_lover(bytes_tokenizer, "better"))
        return model, search(blueprint, model, price=0.0, rounds=3, candidates=2, **budget)[2]

    _, whole = searched()
    model, ended = searched(max_calls=max_calls)
    again, same = searched(max_calls=max_calls)
    assert (same, again.scored) == (ended, model.scored)
    assert len(model.scored) <= max_calls + len(CONTROLS) + 1
    assert ended.log == whole.log[: len(ended.log)]  # as far as it came, it is the same search
    for number, step in enumerate(ended.trajectory.steps):
        if step.kind == "design":
            own = [e for e in ended.log if e["step"] == number and e["accepted"]]
            assert step.text == (own[-1]["text"] if own else "I think.\n")
    (note,) = ended.notes
    assert f"ended by its budget of {max_calls} calls; " in note
    assert "of 2 thoughts were searched to the end" in note


def test_tokens_and_seconds_are_budgets_too(blueprint, scripted) -> None:
    for bound in ({"max_tokens": 300}, {"max_seconds": 0.0}):
        _, _, refined = search(blueprint, scripted(answer=answers), **bound)
        (unit,) = bound
        assert f"{unit.removeprefix('max_')}; 0 of 2 thoughts" in refined.notes[-1]


def test_what_the_budget_leaves_unsearched_may_not_leak_either(blueprint, scripted) -> None:
    body = "I write total_area = sum(circle(radius) for radius in radii) and return it."
    model = scripted(answer=lambda messages, seed: body)
    _, _, refined = search(blueprint, model, max_calls=0)
    assert [s.path for s in refined.trajectory.steps if s.kind == "design"] == ["area.py"]
    assert not model.scored


# At random


def test_chance_takes_as_many_rewrites_in_the_same_rounds(
    blueprint, scripted, bytes_tokenizer, assert_scores_are_of_the_row
) -> None:
    model = scripted(answer=answers, logprob=length_lover(bytes_tokenizer, "better"))
    options = SearchOptions(candidates=4, price=0.0)
    team = Team(blueprint, model, AgentOptions(), seed=0)
    scorer = Scorer(model)

    async def run():
        first = await team.simulate()
        searched = await refine(team, first, scorer, options)
        return searched, await refine_at_random(team, first, searched, scorer, options)

    searched, walked = asyncio.run(run())

    def taken(refined):
        return [(e["path"], e["round"]) for e in refined.log if e["accepted"] and e["round"] > 0]

    assert taken(walked) == taken(searched)
    assert len(taken(walked)) > 2
    mean = [sum(score["nll"] for score in refined.scores) for refined in (searched, walked)]
    assert mean[0] < mean[1]  # choosing is worth something here
    document = render(walked.trajectory)
    assert assert_scores_are_of_the_row({**vars(document), "scores": walked.scores}, bytes_tokenizer) == 2
    assert [s["nll_before"] for s in walked.scores][:1] == [s["nll_before"] for s in searched.scores][:1]


def test_chance_takes_no_rewrite_that_leaks(blueprint, scripted, bytes_tokenizer) -> None:
    body = "total_area = sum(circle(radius) for radius in radii)"

    def answer(messages, seed):
        if "My thoughts so far" not in messages[1]["content"]:
            return "I think."
        return f"I better write {body}" if seed % 2 else f"I do it better, in {seed % 97} ways."

    model = scripted(answer=answer, logprob=length_lover(bytes_tokenizer, "better"))
    team = Team(blueprint, model, AgentOptions(), seed=0)
    options = SearchOptions(candidates=4, price=0.0)

    async def run():
        first = await team.simulate()
        searched = await refine(team, first, Scorer(model), options)
        return await refine_at_random(team, first, searched, Scorer(model), options)

    walked = asyncio.run(run())
    assert any(entry["reason"].startswith("quotes the code") for entry in walked.log)
    assert all(body not in step.text for step in walked.trajectory.steps if step.path == "report.py")


# Debug thoughts


def test_debug_thoughts_are_searched_where_they_carry_loss(
    blueprint, scripted, bytes_tokenizer, assert_scores_are_of_the_row
) -> None:
    draft = "```python\nfrom .gone import x\n\n\ndef nothing(): ...\n```"

    def answer(messages, seed):
        text = messages[1]["content"]
        if "in one code block" in text:
            return draft
        if "My thoughts so far" in text:
            return "I see that " + "better " * (1 + seed % 5)
        return f"I see what is wrong, at last number {seed}." if "The check says" in text else "I think."

    def logprob(context, target):
        return [-9.0 + 0.01 * bytes_tokenizer.decode(context).count("better")] * len(target)

    model = scripted(answer=answer, logprob=logprob)
    team = Team(blueprint, model, AgentOptions(), seed=0)

    async def run():
        debugged = await debug(team, await team.simulate())
        return debugged, await refine_debugging(team, debugged, Scorer(model), SearchOptions(price=0.0))

    debugged, refined = asyncio.run(run())
    steps = refined.trajectory.steps
    carry = {n for n, step in enumerate(steps) if step.kind == "debug" and step.resolved}
    assert len(carry) >= 3
    assert {score["step"] for score in refined.scores} == carry
    assert all(steps[number].text.startswith("I see that better") for number in carry)
    assert [s.defect for s in steps] == [s.defect for s in debugged.trajectory.steps]
    untouched = [(s.kind, s.text) for s in steps if s.kind != "debug"]
    assert untouched == [(s.kind, s.text) for s in debugged.trajectory.steps if s.kind != "debug"]
    document = render(refined.trajectory)
    row = {**vars(document), "scores": refined.scores}
    assert assert_scores_are_of_the_row(row, bytes_tokenizer) == len(carry)
    for entry in refined.log:
        if entry["candidate"] == "other":  # the thought of another file, not of another defect
            own = [s.text for s in debugged.trajectory.steps if s.path == entry["path"]]
            assert entry["text"] not in own
