"""A document that grows is the document that is rendered at once, wherever it was before."""

from __future__ import annotations

import random
from dataclasses import replace

from builder.trajectory import Growing, context_ranges, encode, render, take
from builder.trajectory.steps import MAIN, Step, Trajectory

PATHS = [f"part{number}.py" for number in range(6)]


def trajectory(make_repository, dice: random.Random) -> Trajectory:
    """Six files that read what stands before them, with a thought or two before each."""
    repository = make_repository(
        {path: f"def f{n}():\n    return {n}\n" * (n + 1) for n, path in enumerate(PATHS)}
    )
    steps = [Step(MAIN, "requirement", text="All of it.\n"), Step(MAIN, "plan", text="In order.\n")]
    steps += [Step(MAIN, "plan", path, f"- {path}\n") for path in PATHS]
    for number, path in enumerate(PATHS):
        steps += [Step(MAIN, "delegate", path), Step(path, "spec", path, f"def f{number}()\n")]
        for other in PATHS[:number:2]:
            steps += [Step(path, "read", other), Step(path, "observation", other)]
        steps += [
            Step(path, "design", path, words(dice)),
            Step(path, "write", path),
            Step(path, "finish", path),
        ]
    return Trajectory(repository, tuple(steps))


def words(dice: random.Random) -> str:
    return "".join(f"I return {dice.randrange(50)}. " for _ in range(dice.randrange(4)))


def test_it_gives_what_rendering_and_encoding_give_in_whatever_order_it_is_asked(
    make_repository, bytes_tokenizer
) -> None:
    dice = random.Random(0)
    growing, current = Growing(bytes_tokenizer), trajectory(make_repository, dice)
    writes = [number for number, step in enumerate(current.steps) if step.kind == "write"]
    for _ in range(120):
        number = dice.choice(writes)
        changed = number - 1 if dice.random() < 0.8 else dice.choice([1, 3, dice.choice(writes) - 1])
        steps = list(current.steps)
        steps[changed] = replace(steps[changed], text=words(dice))
        tried = Trajectory(current.repository, tuple(steps))
        if dice.random() < 0.3:
            current = tried
        document, encoded = growing.upto(tried, number)
        whole = render(tried)
        expected = encode(whole.text, whole.spans, bytes_tokenizer)
        last = len(document.spans)
        assert document.spans == whole.spans[:last]
        assert document.spans[-1]["step"] == number
        assert whole.spans[last]["step"] == number + 1
        assert encoded.ranges == expected.ranges[:last]
        assert encoded.ids == expected.ids[: encoded.ranges[-1][1]]
        assert encoded.prefix == expected.prefix
        upto = encoded.ranges[-1][0]
        for limit in (30, 90, 300, 10_000):
            ranges = context_ranges(document, encoded, upto, limit)
            assert ranges == context_ranges(whole, expected, upto, limit)
            assert take(encoded.ids, ranges) == take(expected.ids, ranges)


def test_another_repository_begins_anew(make_repository, bytes_tokenizer) -> None:
    growing = Growing(bytes_tokenizer)
    for text in ("a = 1\n", "b = 2\n", "</write>\n"):
        steps = (Step(MAIN, "delegate", "a.py"), Step("a.py", "write", "a.py"))
        made = Trajectory(make_repository({"a.py": text}), steps)
        document, encoded = growing.upto(made, 1)
        whole = render(made)
        assert document.spans == whole.spans
        assert encoded.ids == encode(whole.text, whole.spans, bytes_tokenizer).ids
