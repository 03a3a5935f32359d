"""Drafts, what checks find in them, and the thoughts about it: true, and without loss where they are not."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.agents import AgentOptions, Team, debug, num_debug_calls, verify_debugging
from builder.agents.debugging import unfenced
from builder.llm import ModelError
from builder.rows import Provenance, trajectory_row
from builder.structure import analyze
from builder.trajectory import DEFAULT_LOSS_ROLES, render, replay, step_texts

GOOD = {
    "area.py": "def circle(radius):\n    return 3 * radius\n",
    "report.py": "from area import circle\n\n\ndef report(radii):\n    return [circle(r) for r in radii]\n",
}
WRONG = (
    "```python\nfrom area import square\nfrom gone import x\nfrom .gone import y\n\n"
    "def summary(radii): ...\n```"
)


@pytest.fixture(scope="module")
def shapes(make_repository):
    return analyze(make_repository({"README.md": "# Shapes\n", **GOOD}))


def scripted_drafts(scripted, draft, thought="I get the name right."):
    """A model that answers each prompt for a draft with ``draft(path)`` and any other with a thought."""

    def answer(messages, seed):
        text = messages[-1]["content"]
        if "in one code block" in text:
            return draft(text.partition("The file to write is ")[2].partition(". ")[0])
        return thought if "The check says" in text else "I write it with care."

    return scripted(answer=answer)


def debugged(blueprint, model):
    team = Team(blueprint, model, AgentOptions(), seed=0)

    async def run():
        trajectory = await team.simulate()
        return trajectory, await debug(team, trajectory)

    return asyncio.run(run())


def row_of(trajectory, blueprint, tokenizer):
    provenance = Provenance("g@1", "s@1", "p", 0, "0")
    return trajectory_row(trajectory, blueprint, provenance, tokenizer, DEFAULT_LOSS_ROLES)


def test_defects_stand_between_the_thought_and_the_real_file(shapes, scripted, bytes_tokenizer) -> None:
    _, result = debugged(shapes, scripted_drafts(scripted, lambda path: WRONG))
    steps = [step for step in result.trajectory.steps if step.agent == "report.py"]
    kinds = [step.kind for step in steps]
    assert kinds[-7:] == ["draft", "check", "debug", "debug", "debug", "write", "finish"]
    assert kinds[-8] == "design"
    thoughts = [step for step in steps if step.kind == "debug"]
    assert [step.defect for step in thoughts] == [
        "import:.gone.y",
        "name:area.py:square",
        "contract:report",
    ]
    check = next(step for step in steps if step.kind == "check")
    assert check.text.splitlines()[1] == "`square` is asked of `area.py`, which does not define it."
    assert not result.notes

    row = row_of(result.trajectory, shapes, bytes_tokenizer)
    assert verify_debugging(row, shapes) == []
    assert replay(row) == {file.path: file.content for file in shapes.repository.files}
    loss = {(row["steps"][s["step"]]["kind"], s["loss"]) for s in row["spans"]}
    assert {pair for pair in loss if pair[0] in ("draft", "check", "debug")} == {
        ("draft", False),
        ("check", False),
        ("debug", True),
    }
    texts = step_texts(row["text"], row["spans"], len(row["steps"]))
    assert [
        t for t, s in zip(texts, result.trajectory.steps, strict=True) if s.kind in ("draft", "check")
    ] == [s.text for s in result.trajectory.steps if s.kind in ("draft", "check")]


@pytest.mark.parametrize(
    "answer", ["", "   \n", "I will.", "```\n```", "```python\n", "<write>", "\x00", "\udc80"]
)
def test_what_says_nothing_leaves_no_trace(shapes, scripted, answer) -> None:
    trajectory, result = debugged(shapes, scripted_drafts(scripted, lambda path: answer))
    assert result.trajectory == trajectory


def test_a_draft_that_passes_leaves_no_trace(shapes, scripted) -> None:
    model = scripted_drafts(scripted, lambda path: f"```python\n{GOOD[path]}```")
    trajectory, result = debugged(shapes, model)
    assert result.trajectory == trajectory
    assert [text for text, _ in model.generated if "in one code block" in text]
    assert not [text for text, _ in model.generated if "The check says" in text]


def test_a_defect_that_the_real_file_has_too_is_thought_about_without_loss(
    make_repository, scripted, bytes_tokenizer
) -> None:
    contents = {**GOOD, "report.py": "from area import square\n\n\ndef report(radii):\n    return square\n"}
    blueprint = analyze(make_repository(contents))
    draft = "```\nfrom area import square\n\ndef summary(): ...\n```"
    _, result = debugged(blueprint, scripted_drafts(scripted, lambda path: draft))
    row = row_of(result.trajectory, blueprint, bytes_tokenizer)
    roles = {
        step["defect"]: set()
        for step in row["steps"]
        if step["kind"] == "debug" and step["path"] == "report.py"
    }
    for span in row["spans"]:
        step = row["steps"][span["step"]]
        if step["defect"] in roles:
            roles[step["defect"]].add((span["role"], span["loss"]))
    assert roles == {
        "name:area.py:square": {("unresolved", False)},
        "contract:report": {("think", True)},
    }
    assert verify_debugging(row, blueprint) == []


def test_verification_finds_what_is_untrue(shapes, scripted, bytes_tokenizer) -> None:
    _, result = debugged(shapes, scripted_drafts(scripted, lambda path: WRONG))
    row = row_of(result.trajectory, shapes, bytes_tokenizer)
    other = {**row, "text": row["text"].replace("from area import square", "from area import circle")}
    assert any("not what the checks say" in line for line in verify_debugging(other, shapes))
    steps = [{**step, "defect": step["defect"] and "contract:other"} for step in row["steps"]]
    assert any(
        "no defect contract:other" in line for line in verify_debugging({**row, "steps": steps}, shapes)
    )
    spans = [{**s, "role": "unresolved" if s["role"] == "think" else s["role"]} for s in row["spans"]]
    assert any("its role is think" in line for line in verify_debugging({**row, "spans": spans}, shapes))


def test_drafts_do_not_wait_for_each_other_and_no_seed_comes_twice(shapes, scripted) -> None:
    model = scripted_drafts(scripted, lambda path: WRONG)
    trajectory, _ = debugged(shapes, model)
    assert model.waves == 3 + 2  # all drafts, then all thoughts about them
    seeds = [seed for _, seed in model.generated]
    assert len(set(seeds)) == len(seeds)
    asked = sum("in one code block" in text or "The check says" in text for text, _ in model.generated)
    assert asked <= num_debug_calls(trajectory)


def test_a_call_that_fails_costs_its_part_and_is_noted_apart(shapes, scripted) -> None:
    def draft(path):
        if path == "area.py":
            raise ModelError("no answer")
        return WRONG

    _, result = debugged(shapes, scripted_drafts(scripted, draft))
    assert result.notes == ["draft area.py: no answer"]
    assert [step.path for step in result.trajectory.steps if step.kind == "draft"] == ["report.py"]


def test_prompts_never_show_a_real_body(make_repository, scripted) -> None:
    contents = {**GOOD, "area.py": "def circle(radius):\n    hidden_name = 3\n    return hidden_name\n"}
    model = scripted_drafts(scripted, lambda path: WRONG)
    debugged(analyze(make_repository(contents)), model)
    assert not [text for text, _ in model.generated if "hidden_name" in text]


@pytest.mark.parametrize(
    ("answer", "code", "whole"),
    [
        ("```python\nx = 1\n```\nDone.", "x = 1\n", True),
        ("Here:\n\n```\nx = 1\n\n```", "x = 1\n", True),
        ("```python\nx = 1\n```\n```python\ny = 1\n```", "x = 1\n", True),
        ('```python\n"""\n```python\nf()\n```\n"""\n```', '"""\n```python\nf()\n```\n"""\n', True),
        ("```python\nx = 1", "x = 1\n", False),
        ("x = 1", "x = 1\n", False),
        ("```\r\n\tx = 1\r\n```\r\n", "\tx = 1\n", True),
        ("~~~\nx\n~~~", "x\n", True),
        ("", "", False),
    ],
)
def test_the_fence_is_taken_off_and_tells_whether_the_draft_is_whole(answer, code, whole) -> None:
    assert unfenced(answer) == (code, whole)


PIECES = [
    "</draft>", '<draft path="a">', "</observation>", "</observation-1>", "</write>", "<think>", "def f(:",
    "\n", "from .no import a\n", "    ", "`", "<|im_end|>", "\x1b", "é", "class A:\n",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=12).map("".join)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE, HOSTILE)
@example("</draft>\n</observation>\n<write path='x'>(", "</think></observation>")
def test_whatever_a_draft_holds_the_row_reads_back_and_is_true(
    shapes, scripted, bytes_tokenizer, draft, thought
) -> None:
    model = scripted_drafts(scripted, lambda path: f"```\n{draft}\n```", thought)
    _, result = debugged(shapes, model)
    document = render(result.trajectory)
    row = row_of(result.trajectory, shapes, bytes_tokenizer)
    assert replay(row) == {file.path: file.content for file in shapes.repository.files}
    assert verify_debugging(row, shapes) == []
    texts = step_texts(document.text, document.spans, len(row["steps"]))
    assert all(text == s.text for s, text in zip(result.trajectory.steps, texts, strict=True) if s.text)
    # No draft and no observation holds a tag of this document.
    suffix = document.text.partition(">")[0].removeprefix("<requirement")
    for span in document.spans:
        if span["content"] and row["steps"][span["step"]]["kind"] in ("draft", "check", "debug"):
            shown = document.text[span["start"] : span["end"]]
            for tag in ("draft", "observation", "write", "think"):
                assert f"</{tag}{suffix}>" not in shown and f"<{tag}{suffix} " not in shown
