"""Copies among many: the first stays."""

from __future__ import annotations

import base64
import random

import numpy as np
import pytest
from planting import plant

from builder.repository import load
from builder.selection import Record, SelectOptions, choose, survey

OPTIONS = SelectOptions()


def record(name: str, digest: str = "", numbers: np.ndarray | None = None, reason: str = "") -> Record:
    sketch = "" if numbers is None else base64.b64encode(numbers.astype("<u2").tobytes()).decode()
    return Record(name, f"local/{name}", "1", digest=digest or name, sketch=sketch, reason=reason)


def like(numbers: np.ndarray, share: float, seed: int) -> np.ndarray:
    """``share`` of the numbers as they are, the rest others."""
    chance = np.random.default_rng(seed)
    other = chance.integers(0, 65_536, 128)
    return np.where(chance.permutation(128) < round(share * 128), numbers, other)


@pytest.fixture
def numbers():
    return np.random.default_rng(0).integers(0, 65_536, 128)


def test_first_of_the_same_contents_stays(numbers):
    chosen = choose([record("a", "same"), record("b"), record("c", "same")], OPTIONS)
    assert [entry.source for entry in chosen] == ["a", "b", "c"]
    assert [entry.reason for entry in chosen] == ["", "", "duplicate"]
    assert chosen[2].detail == "the same contents as local/a@1"


def test_what_is_left_out_already_stands_against_nothing(numbers):
    records = [
        record("a", "same", numbers, reason="license"),
        record("b", "same", numbers),
        record("c", "other", numbers),
    ]
    assert [entry.reason for entry in choose(records, OPTIONS)] == ["license", "", "near-duplicate"]


def test_likeness_decides_and_is_said(numbers):
    records = [record("a", numbers=numbers)]
    for seed, share in enumerate((0.2, 0.35, 0.5, 0.9), 1):
        records.append(record(str(share), numbers=like(numbers, share, seed)))
    chosen = choose(records, OPTIONS)
    assert [entry.reason for entry in chosen] == ["", "", "", "near-duplicate", "near-duplicate"]
    assert [entry.detail for entry in chosen[3:]] == [
        "near-duplicate of local/a@1, 0.50",
        "near-duplicate of local/a@1, 0.90",
    ]
    assert [entry.reason for entry in choose(records, SelectOptions(near_duplicates=0))] == [""] * 5


def test_a_copy_of_a_copy_counts_by_its_likeness_to_what_stays(numbers):
    middle = like(numbers, 0.6, 1)
    far = np.where(middle == numbers, np.random.default_rng(2).integers(0, 65_536, 128), middle)
    records = [record("a", numbers=numbers), record("b", numbers=middle), record("c", numbers=far)]
    assert [entry.reason for entry in choose(records, OPTIONS)] == ["", "near-duplicate", ""]


def test_a_crowd_of_copies_has_one_original(numbers):
    records = [record(str(seed), numbers=like(numbers, 0.8, seed)) for seed in range(300)]
    chosen = choose(records, OPTIONS)
    assert [entry.source for entry in chosen if not entry.reason] == ["0"]
    assert {entry.detail.partition(",")[0] for entry in chosen if entry.reason} == {
        "near-duplicate of local/0@1"
    }


def test_no_two_of_many_strangers_are_alike():
    chance = np.random.default_rng(3)
    records = [record(str(number), numbers=chance.integers(0, 65_536, 128)) for number in range(3_000)]
    assert not any(entry.reason for entry in choose(records, OPTIONS))


def program(seed: int) -> str:
    """A Python module of its own: functions with random bodies."""
    chance = random.Random(seed)
    names = [f"name_{chance.randrange(10_000)}" for _ in range(40)]

    def expression(depth: int) -> str:
        if depth == 0 or chance.random() < 0.3:
            return chance.choice([*names, "1", "'text'", "self", "[]"])
        left, right = expression(depth - 1), expression(depth - 1)
        return chance.choice(
            [f"{left} + {right}", f"({left})({right})", f"[{left}, {right}]",
             f"({left}).{chance.choice(names)}", f"({left} if {right} else None)", f"{{{left}: {right}}}",
             f"(not {left})", f"{left} == {right}"]
        )  # fmt: skip

    def statement() -> str:
        kind = chance.choice(
            ["{n} = {e}", "return {e}", "if {e}:\n        {n} = {f}", "for {n} in {e}:\n        {f}"]
        )
        return kind.format(n=chance.choice(names), e=expression(2), f=expression(2))

    return "\n\n".join(
        f"def {chance.choice(names)}_{number}({', '.join(chance.sample(names, 2))}):\n    # {seed}\n"
        + "".join(f"    {statement()}\n" for _ in range(chance.randrange(2, 9)))
        for number in range(30)
    )


@pytest.mark.parametrize(
    "changes",
    [{"styled": False}, {"edited": 0.0}, {}, {"identifiers": True}],
    ids=["names and lines", "layout", "all", "all, and identifiers"],
)
def test_planted_copy_is_found_and_nothing_else(tmp_path, changes):
    records = []
    for number in range(8):
        root = tmp_path / f"p{number}"
        root.mkdir()
        (root / "module.py").write_text(program(number))
        records.append(survey(str(root), OPTIONS))
    copy = plant(load(tmp_path / "p5"), tmp_path / "other", **changes)
    chosen = choose([*records, survey(str(copy), OPTIONS)], OPTIONS)
    assert [entry.reason for entry in chosen] == [""] * 8 + ["near-duplicate"]
    assert chosen[-1].detail.startswith("near-duplicate of local/p5@")
