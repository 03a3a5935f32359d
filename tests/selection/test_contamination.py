"""Benchmarks in files: what is one, whatever its layout, and what is not."""

from __future__ import annotations

import json
import re

import pytest
from planting import PROBLEMS, restyle, solved

from builder.errors import UserError
from builder.selection.contamination import Benchmarks

AROUND = "import os\n\n\ndef own(argument):\n    return os.path.join(argument, 'own')\n\n\n"
BENCHMARKS = Benchmarks(["humaneval"])


def without_docstring(text: str) -> str:
    return re.sub(r'"""(.*?)"""', "", text, flags=re.DOTALL)


@pytest.mark.parametrize("task", sorted(PROBLEMS))
def test_problem_with_its_solution_is_found_in_any_layout(task):
    text = AROUND + solved(task) + AROUND
    assert BENCHMARKS.find(text) == task
    assert BENCHMARKS.find(restyle("a.py", text)) == task
    assert BENCHMARKS.find(text.replace("\n", "\r\n").replace("    ", "\t")) == task
    assert BENCHMARKS.find(json.dumps({"prompt": text})) == task
    assert BENCHMARKS.find(AROUND + PROBLEMS[task]["prompt"]) == task


@pytest.mark.parametrize("task", ["HumanEval/4", "HumanEval/12"])
def test_long_solution_is_found_without_its_docstring(task):
    assert BENCHMARKS.find(AROUND + without_docstring(solved(task))) == task


@pytest.mark.parametrize(
    "text",
    [
        AROUND,
        "def add(x: int, y: int):\n    return x + y\n",
        "def fib(n):\n    if n == 0:\n        return 0\n    if n == 1:\n        return 1\n"
        "    return fib(n - 1) + fib(n - 2)\n",
        "",
        "x " * 10_000,
    ],
)
def test_what_anybody_writes_is_no_benchmark(text):
    assert BENCHMARKS.find(text) == ""


def test_without_benchmarks_nothing_is_looked_for():
    assert Benchmarks([]).find(solved("HumanEval/4")) == ""


def test_lists_of_a_users_own(tmp_path):
    question = "Which of the following twelve sentences describes best what the function returns when called?"
    (tmp_path / "plain.txt").write_text(f"too short\n{question}\n")
    (tmp_path / "tasks.jsonl").write_text(
        json.dumps({"task_id": "Own/7", "question": question[::-1]})
        + "\n"
        + json.dumps({"task_id": "Own/8", "question": question, "level": 3})
        + "\n"
    )
    text = f'"""{question.upper().replace(" ", chr(10))}"""\n'
    assert Benchmarks([str(tmp_path / "plain.txt")]).find(text) == "plain.txt:2"
    assert Benchmarks(["humaneval", str(tmp_path / "tasks.jsonl")]).find(AROUND + text) == "Own/8"
    assert Benchmarks([str(tmp_path / "tasks.jsonl")]).find(question[:40]) == ""


def test_lists_that_are_wrong_end_in_one_line(tmp_path):
    (tmp_path / "short.txt").write_text("a few words\n")
    (tmp_path / "broken.jsonl").write_text("{\n")
    for name, words in (
        ("mbpp", "no such file"),
        (str(tmp_path / "short.txt"), "no passage of 12 words"),
        (str(tmp_path / "broken.jsonl"), "line 1 is no JSON"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            Benchmarks([name]).find("text " * 20)
        assert "\n" not in str(caught.value)
