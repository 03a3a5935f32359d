"""Rendering: spans tile the text, steps can be read back, and no content closes a tag."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.trajectory import (
    MAIN,
    Step,
    Trajectory,
    clean,
    encode,
    render,
    render_raw,
    replay,
    step_texts,
)

TAGGED = st.sampled_from(
    [
        "</write>",
        "</write-1>",
        "<think>",
        "</observation>\n",
        "</implement",
        '<read path="a.py" />',
        "<|im_start|>system\n",
        "<|begin|>",
        "\n\n\n",
        "    ",
        "é\u2028",
        "<<think>think>",
    ]
)
CONTENT = st.lists(st.one_of(st.text(max_size=20).filter(lambda t: t.isprintable()), TAGGED), max_size=6).map(
    "".join
)


def trajectory_of(repository, thoughts: list[str]) -> Trajectory:
    """All files in order; each but the first reads the one before it; thoughts as a model answered them."""
    steps = [Step(MAIN, "requirement", text="A program.\n"), Step(MAIN, "plan", text="All of it.\n")]
    steps += [Step(MAIN, "plan", file.path, f"- {file.path}\n") for file in repository.files]
    previous = ""
    for number, file in enumerate(repository.files):
        path = file.path
        steps += [Step(MAIN, "delegate", path), Step(path, "spec", path, "def f()\n")]
        if previous:
            steps += [Step(path, "need", path, "I need it.\n")]
            steps += [Step(path, "read", previous), Step(path, "observation", previous)]
        if thought := clean(thoughts[number % len(thoughts)]):
            steps.append(Step(path, "design", path, thought))
        steps += [Step(path, "write", path), Step(path, "finish", path)]
        previous = path
    return Trajectory(repository, tuple(steps))


def row_of(trajectory: Trajectory, document) -> dict:
    hashes = {file.path: file.sha256 for file in trajectory.repository.files}
    return {
        "id": "x",
        "text": document.text,
        "spans": document.spans,
        "steps": [
            {"kind": s.kind, "path": s.path, "sha256": hashes[s.path] if s.kind == "write" else ""}
            for s in trajectory.steps
        ],
        "files": [{"path": file.path, "sha256": file.sha256} for file in trajectory.repository.files],
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(CONTENT, min_size=1, max_size=4), thoughts=st.lists(CONTENT, min_size=1, max_size=3))
def test_whatever_files_and_models_say_the_document_reads_back(make_repository, contents, thoughts) -> None:
    repository = make_repository({f"f{number}.py": content for number, content in enumerate(contents)})
    trajectory = trajectory_of(repository, thoughts)
    document = render(trajectory)
    row = row_of(trajectory, document)

    assert replay(row) == {file.path: file.content for file in repository.files}
    texts = step_texts(document.text, document.spans, len(trajectory.steps))
    for step, text in zip(trajectory.steps, texts, strict=True):
        if step.text:
            assert text == step.text

    # The tags of this document stand only where the renderer put them.
    suffix = re.match(r"<requirement(-\d+)?>", document.text).group(1) or ""
    closing = re.compile(rf"</?(?:write|think|observation|implement|read){re.escape(suffix)}(?![\w-])")
    structural = [span for span in document.spans if not span["content"]]
    inside = sum(len(closing.findall(document.text[span["start"] : span["end"]])) for span in structural)
    assert len(closing.findall(document.text)) == inside

    writes = tuple(step for step in trajectory.steps if step.kind == "write")
    raw = render_raw(Trajectory(repository, writes))
    assert "".join(raw.text[s["start"] : s["end"]] for s in raw.spans) == raw.text


@settings(max_examples=100, deadline=None)
@given(CONTENT, st.integers(1, 60))
@example("I am <thinking> it", len("I am <think"))
def test_cleaned_text_holds_no_tag_and_stays_as_it_is(text: str, max_chars: int) -> None:
    cleaned = clean(text, max_chars)
    assert clean(cleaned, max_chars) == cleaned
    assert len(cleaned) <= max_chars + 1
    assert cleaned == "" or (cleaned.endswith("\n") and cleaned.strip())
    assert not re.search(r"</?(?:write|think|observation|implement|read)(?:-\d+)?(?![\w-])", cleaned)


@pytest.mark.parametrize("answer", ["", "\n" * 8000, "\x00\x1b", "</think>", "<think", "\ud800"])
def test_answers_that_say_nothing_become_no_step(answer: str) -> None:
    assert clean(answer) == ""


def test_loss_lies_on_what_agents_say_and_never_on_what_they_are_shown(make_repository) -> None:
    repository = make_repository({"a.py": "A = 1\n", "b.py": "from a import A\n"})
    document = render(trajectory_of(repository, ["I write it."]))
    carried = {span["role"]: span["loss"] for span in document.spans}
    assert carried == {
        "requirement": True,
        "plan": True,
        "call": True,
        "spec": False,
        "think": True,
        "observation": False,
        "code": True,
    }


def test_redacted_spans_carry_no_loss_and_boilerplate_none_either(make_repository) -> None:
    from dataclasses import replace

    content = "key = '[REDACTED:aws]'\n"
    repository = make_repository({"LICENSE": "Permission …\n", "a.py": content}, **{"a.py": ((7, 21),)})
    files = (replace(repository.files[0], boilerplate=True), repository.files[1])
    document = render(trajectory_of(replace(repository, files=files), ["I write it."]))
    masked = [document.text[s["start"] : s["end"]] for s in document.spans if not s["loss"]]
    assert "[REDACTED:aws]" in masked
    assert "Permission …\n" in masked


def test_every_token_has_one_role_and_special_tokens_in_files_are_plain_text(
    make_repository, bytes_tokenizer
) -> None:
    repository = make_repository({"a.py": "    x = '<|end|>'\n", "b.py": "y = 1"})
    document = render(trajectory_of(repository, ["I write it."]))
    encoded = encode(document.text, document.spans, bytes_tokenizer)
    assert encoded.prefix == 1
    assert encoded.ids[0] == bytes_tokenizer.bos_token_id
    assert bytes_tokenizer.eos_token_id not in encoded.ids
    position = encoded.prefix
    for span, (start, end) in zip(document.spans, encoded.ranges, strict=True):
        assert start == position
        position = end
        assert bytes_tokenizer.decode(encoded.ids[start:end]) == document.text[span["start"] : span["end"]]
    assert position == len(encoded.ids)
