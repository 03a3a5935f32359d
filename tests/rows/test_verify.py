"""`verify`: a true row holds, and a row in which one thing is wrong is named with that thing."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.agents import AgentOptions, Team, debug
from builder.config import BuildConfig
from builder.errors import UserError
from builder.pipeline import Models, reconstruct
from builder.repository import load
from builder.rows import (
    DEFAULT_CONFIGS,
    LEFT_OUT_FEATURES,
    Provenance,
    problems,
    trajectory_row,
    verify_dataset,
    write_dataset,
)
from builder.structure import analyze
from builder.trajectory import DEFAULT_LOSS_ROLES, Step


@pytest.fixture(scope="module")
def result(scripted):
    spec = importlib.util.find_spec("iniconfig")
    model = scripted(answer=lambda messages, seed: f"I write it with care. {seed}")
    repository = load(str(Path(spec.origin).parent))
    return asyncio.run(reconstruct(repository, Models(model, model), BuildConfig()))


@pytest.fixture(scope="module")
def debugged(make_repository, scripted, bytes_tokenizer):
    """The row of two files, of which the drafts had defects."""
    files = {
        "area.py": "def circle(r):\n    return r\n",
        "report.py": "from area import circle\n\nX = circle(1)\n",
    }
    blueprint = analyze(make_repository(files))
    draft = "```\nfrom area import square\n```"
    team = Team(blueprint, scripted(answer=lambda messages, seed: draft), AgentOptions(), seed=0)

    async def run():
        return await debug(team, await team.simulate())

    provenance = Provenance("g", "s", "p", 0, version("repo2agent"))
    trajectory = asyncio.run(run()).trajectory
    return trajectory_row(trajectory, blueprint, provenance, bytes_tokenizer, DEFAULT_LOSS_ROLES)


@pytest.fixture
def row(result):
    return result.rows["repo2agent-search"]


@pytest.fixture
def folder(result, tmp_path):
    write_dataset(tmp_path, {config: {"train": result.of(config)} for config in DEFAULT_CONFIGS})
    return tmp_path


def test_what_was_built_holds(folder, result):
    counts = verify_dataset(folder)
    assert counts == {config: len(result.of(config)) for config in DEFAULT_CONFIGS}
    assert verify_dataset(folder, ("raw-repos",)) == {"raw-repos": 1}


def moved(items: list, source: int, target: int) -> list:
    items = list(items)
    items.insert(target, items.pop(source))
    return items


def swapped(row, **columns):
    return {**row, **columns}


def index(row, kind: str) -> int:
    return next(number for number, step in enumerate(row["steps"]) if step["kind"] == kind)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda row: swapped(row, text=row["text"].replace("import", "export", 1)), "hash"),
        (lambda row: swapped(row, text=row["text"] + "x"), "end at character"),
        (lambda row: swapped(row, spans=row["spans"][1:]), "do not tile"),
        (lambda row: swapped(row, files=row["files"][1:]), "does not have the hash"),
        (lambda row: swapped(row, files=[*row["files"], {**row["files"][0], "path": "z"}]), "the row lists"),
        (lambda row: swapped(row, segments=row["segments"][1:]), "another segments"),
        (lambda row: swapped(row, dependencies=row["dependencies"][1:]), "is not in the row|does not need"),
        (
            lambda row: swapped(
                row,
                dependencies=[
                    *row["dependencies"],
                    {"source": row["files"][0]["path"], "target": "py.typed", "kind": "import"},
                ],
            ),
            "before py.typed|is not in the code",
        ),
        (
            lambda row: swapped(
                row, spans=[row["spans"][0], *({**span, "loss": False} for span in row["spans"][1:])]
            ),
            "carries loss in one span",
        ),
        (lambda row: swapped(row, scores=[{**row["scores"][0], "step": 0}]), "belongs to no thought"),
    ],
)  # fmt: skip
def test_one_thing_that_is_wrong_is_named(row, change, word):
    found = list(problems(change(row)))
    assert found
    assert any(any(part in problem for part in word.split("|")) for problem in found), found


STRINGS = st.sampled_from(
    ["", "main", "area.py", "report.py", "write", "draft", "read", "debug", "name:x", "?"]
)


@settings(max_examples=200)
@given(st.data())
def test_whatever_stands_in_a_row_verification_ends_in_words(debugged, data):
    row = copy.deepcopy(debugged)
    assert {"draft", "check", "debug"} <= {step["kind"] for step in row["steps"]}
    for _ in range(data.draw(st.integers(1, 3))):
        entries = row[data.draw(st.sampled_from(["steps", "spans", "files", "dependencies", "segments"]))]
        entry = entries[data.draw(st.integers(0, len(entries) - 1))]
        name = data.draw(st.sampled_from(sorted(entry)))
        values = {str: STRINGS, bool: st.booleans(), int: st.integers(-2, 400), float: st.floats(0, 1)}
        if type(entry[name]) in values:
            entry[name] = data.draw(values[type(entry[name])])
    assert all(isinstance(problem, str) for problem in problems(row))


@pytest.mark.parametrize(
    ("column", "number", "change", "word"),
    [
        ("steps", -1, {"kind": "leave"}, "no step of kind leave"),
        ("spans", -1, {"step": 99}, "belongs to no step"),
        ("dependencies", 0, {"target": "gone.py"}, "gone.py, which is no file"),
        ("files", 0, {"num_redactions": 1}, "0 redactions and 1 are counted"),
    ],
)
def test_what_a_row_refers_to_and_counts_must_be_there(row, column, number, change, word):
    entries = list(row[column])
    entries[number] = {**entries[number], **change}
    assert any(word in problem for problem in problems({**row, column: entries}))


def step_number(steps: list[Step], kind: str, path: str) -> int:
    return next(n for n, step in enumerate(steps) if (step.kind, step.path) == (kind, path))


def thought_after_code(steps: list[Step]) -> list[Step]:
    return moved(steps, step_number(steps, "design", "area.py"), step_number(steps, "write", "area.py"))


def dependent_first(steps: list[Step]) -> list[Step]:
    start = step_number(steps, "delegate", "report.py")
    work = [step for step in steps[start:] if step.kind not in ("read", "observation")]
    first = step_number(steps, "delegate", "area.py")
    return [*steps[:first], *work, *steps[first:start]]


def read_what_is_not_needed(steps: list[Step]) -> list[Step]:
    place = step_number(steps, "design", "report.py")
    more = [Step("report.py", kind, "README.md") for kind in ("read", "observation")]
    return [*steps[:place], *more, *steps[place:]]


def another_outline(steps: list[Step]) -> list[Step]:
    return [replace(step, text="def square(side)\n") if step.kind == "spec" else step for step in steps]


def a_thought_of_other_names(steps: list[Step]) -> list[Step]:
    return [replace(step, text="I call `square`.\n") if step.kind == "design" else step for step in steps]


def two_at_work(steps: list[Step]) -> list[Step]:
    return [step for step in steps if (step.kind, step.path) != ("finish", "area.py")]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (thought_after_code, "design area.py): cannot come after write"),
        (dependent_first, "report.py is written before area.py"),
        (read_what_is_not_needed, "report.py does not need it"),
        (another_outline, "is not the outline of its code"),
        (a_thought_of_other_names, "the share of unknown names in a thought on area.py"),
        (two_at_work, "has not come back"),
        (lambda steps: steps[:-1], "has not come back at the end"),
    ],
)
def test_a_row_that_agrees_with_itself_must_agree_with_the_code_too(
    blueprint, scripted, bytes_tokenizer, change, word
):
    blueprint = analyze(blueprint.repository)
    team = Team(blueprint, scripted(), AgentOptions(), seed=0)
    trajectory = asyncio.run(team.simulate())
    common = (blueprint, Provenance("g", "s", "p", 0, version("repo2agent")), bytes_tokenizer)
    assert not list(problems(trajectory_row(trajectory, *common, DEFAULT_LOSS_ROLES)))
    wrong = replace(trajectory, steps=tuple(change(list(trajectory.steps))))
    found = list(problems(trajectory_row(wrong, *common, DEFAULT_LOSS_ROLES)))
    assert any(word in problem for problem in found), found


def test_the_first_row_that_does_not_hold_ends_the_command(folder, result):
    wrong = {**result.rows["repo2agent"], "id": "other@1", "text": result.rows["repo2agent"]["text"] + "x"}
    tables = {config: {"train": result.of(config)} for config in DEFAULT_CONFIGS}
    write_dataset(folder, tables | {"repo2agent": {"train": [result.rows["repo2agent"], wrong]}})
    with pytest.raises(UserError, match=r"repo2agent, row 1 \(other@1\): .*end at character"):
        verify_dataset(folder)


def test_the_same_row_twice_is_named(folder, result):
    tables = {config: {"train": result.of(config)} for config in DEFAULT_CONFIGS}
    write_dataset(folder, tables | {"raw-repos": {"train": result.of("raw-repos") * 2}})
    with pytest.raises(UserError, match="another row has the same id"):
        verify_dataset(folder, ("raw-repos",))


def test_a_folder_without_rows_is_named(tmp_path):
    with pytest.raises(UserError, match="no rows in it"):
        verify_dataset(tmp_path)


@pytest.mark.parametrize(("reason", "holds"), [("near-duplicate", True), ("looks odd", False)])
def test_what_was_left_out_has_one_of_the_known_reasons(reason, holds, tmp_path):
    entry = dict.fromkeys(LEFT_OUT_FEATURES, "x") | {"reason": reason}
    write_dataset(tmp_path, {"left-out": {"train": [entry]}})
    if holds:
        assert verify_dataset(tmp_path) == {"left-out": 1}
    else:
        with pytest.raises(UserError, match=r"left-out, row 0 .*no such reason: looks odd"):
            verify_dataset(tmp_path)


def test_views_are_checked_where_their_rows_are(result, tmp_path):
    write_dataset(tmp_path, {config: {"train": result.of(config)} for config in ("raw-repos", "messages")})
    assert verify_dataset(tmp_path) == {"raw-repos": 1}
    with pytest.raises(UserError, match="no rows of repo2agent-search"):
        verify_dataset(tmp_path, ("messages",))


@pytest.mark.parametrize(("text", "holds"), [("I keep a half_of_it.", False), ("I take half of it.", True)])
def test_a_thought_that_has_seen_the_body_gives_none_of_it_away(
    make_repository, scripted, bytes_tokenizer, text, holds
) -> None:
    code = "def half(whole):\n    half_of_it = whole / 2\n    return half_of_it\n"
    blueprint = analyze(make_repository({"half.py": code}))
    team = Team(blueprint, scripted(answer=lambda messages, seed: "I halve."), AgentOptions(sees="body"), 0)
    trajectory = asyncio.run(team.simulate())
    steps = [
        team.grounded(replace(step, text=f"{text}\n")) if step.kind == "design" else step
        for step in trajectory.steps
    ]
    row = trajectory_row(
        replace(trajectory, steps=tuple(steps)),
        blueprint,
        Provenance("g", "s", "p", 0, version("repo2agent")),
        bytes_tokenizer,
        DEFAULT_LOSS_ROLES,
    )
    found = list(problems(row))
    assert found == [] if holds else "names what only the body holds: half_of_it" in found[0]
