"""The search: what is scored is the row, and a rewrite is taken only for what it is worth."""

from __future__ import annotations

import asyncio

import pytest

from builder.agents import AgentOptions, Team
from builder.llm import ModelError
from builder.search import CONTROLS, Scorer, SearchOptions, choose_target, num_search_calls, refine
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
        assert score["rounds_accepted"] == sum(e["accepted"] for e in tried)
    assert {e["candidate"] for e in refined.log} == {*CONTROLS, "first", "0", "1"}
    assert len(refined.log) == 2 * (len(CONTROLS) + 1 + 6)
    assert len(model.scored) + 12 <= num_search_calls(2, SearchOptions())
    assert not team.notes


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
    team, _, refined = search(blueprint, scripted(answer=lambda messages, seed: body))
    assert [s.path for s in refined.trajectory.steps if s.kind == "design"] == ["area.py"]
    assert any("taken out" in note for note in team.notes)
    steps = refined.trajectory.steps
    assert all(steps[score["step"]].kind == "design" for score in refined.scores)


def test_a_call_that_fails_costs_the_thought_it_was_for(blueprint, scripted, bytes_tokenizer) -> None:
    def logprob(context, target):
        if "report(radii)" in bytes_tokenizer.decode(target):
            raise ModelError("broken")
        return [-1.0] * len(target)

    team, _, refined = search(blueprint, scripted(logprob=logprob))
    assert [refined.trajectory.steps[s["step"]].path for s in refined.scores] == ["area.py"]
    assert [s.path for s in refined.trajectory.steps if s.kind == "design"] == ["area.py", "report.py"]
    assert any("broken" in note for note in team.notes)


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
