"""The window rule: the nearest text stays, with the requirement and the plan lines that matter in front."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.trajectory import MAIN, Step, Trajectory, context_ranges, encode, render, take, token_range


@pytest.fixture(scope="module")
def document(make_repository):
    contents = {f"f{number}.py": f"value_{number} = {number}\n" * (4 + number) for number in range(8)}
    repository = make_repository(contents)
    steps = [Step(MAIN, "requirement", text="Numbers, please.\n"), Step(MAIN, "plan", text="Overview.\n")]
    steps += [Step(MAIN, "plan", path, f"- {path}: holds numbers.\n") for path in contents]
    for path in contents:
        steps += [Step(MAIN, "delegate", path), Step(path, "write", path), Step(path, "finish", path)]
    return render(Trajectory(repository, tuple(steps)))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_context_fits_ends_at_the_target_and_repeats_nothing(document, bytes_tokenizer, data) -> None:
    encoded = encode(document.text, document.spans, bytes_tokenizer)
    upto = data.draw(st.integers(1, len(encoded.ids)))
    limit = data.draw(st.integers(40, len(encoded.ids) + 10))
    ranges = context_ranges(document, encoded, upto, limit)
    assert sum(end - start for start, end in ranges) <= limit
    assert ranges[-1][1] == upto
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ranges))
    if upto <= limit:
        assert take(encoded.ids, ranges) == encoded.ids[:upto]


def test_requirement_and_the_plan_line_of_the_file_stay_in_front(document, bytes_tokenizer) -> None:
    encoded = encode(document.text, document.spans, bytes_tokenizer)
    segment = document.segments[6]
    upto = token_range(document, encoded, {"start": segment["start"], "end": segment["end"]})[1]
    text = bytes_tokenizer.decode(take(encoded.ids, context_ranges(document, encoded, upto, 700)))
    assert len(encoded.ids) > 700
    assert "Numbers, please." in text
    assert "- f6.py: holds numbers." in text
    assert "- f1.py: holds numbers." not in text
    assert '<implement path="f6.py">' in text


def test_a_file_that_does_not_fit_keeps_its_specification(make_repository, bytes_tokenizer) -> None:
    repository = make_repository({"a.py": "value = 1\n" * 300, "b.py": "other = 2\n"})
    steps = [Step(MAIN, "requirement", text="Numbers.\n"), Step(MAIN, "plan", "b.py", "- b.py\n")]
    for path, spec in (("a.py", "first = ...\n"), ("b.py", "second = ...\n")):
        steps += [Step(MAIN, "delegate", path), Step(path, "spec", path, spec)]
        steps += [Step(path, "observation", "a.py")] if path == "b.py" else []
        steps += [Step(path, "write", path), Step(path, "finish", path)]
    document = render(Trajectory(repository, tuple(steps)))
    encoded = encode(document.text, document.spans, bytes_tokenizer)
    ranges = context_ranges(document, encoded, len(encoded.ids), 400)
    text = bytes_tokenizer.decode(take(encoded.ids, ranges))
    assert sum(end - start for start, end in ranges) <= 400
    assert "second = ..." in text
    assert "first = ..." not in text
    assert "Numbers." in text


def test_a_window_without_room_is_refused(document, bytes_tokenizer) -> None:
    encoded = encode(document.text, document.spans, bytes_tokenizer)
    with pytest.raises(ValueError, match="no room"):
        context_ranges(document, encoded, len(encoded.ids), 0)
