"""Stages are kept under what decides them, and survive being killed at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiment.run import Runner, last_line
from experiment.stages import ROOT, Stage

from .toy import toy_stages


def start(output: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "tests/experiment/toy.py"), str(output), *more]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def pipes(output: Path) -> Path:
    """The folder of an output with its pipes, which a test may open before the process made them."""
    output.mkdir()
    for name in ("started", "go"):
        os.mkfifo(output / name)
    return output


def started(output: Path) -> int:
    """The id of the second stage's process, once it has come so far."""
    return int((output / "started").read_text())


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def contents(output: Path, stage: Stage, name: str) -> str:
    return (stage.folder(output) / name).read_text()


def test_a_second_run_does_nothing_and_a_change_reaches_what_it_decides(tmp_path):
    output = pipes(tmp_path / "output")
    process = start(output)
    started(output)
    (output / "go").write_text("!")
    assert process.wait() == 0, process.stderr.read()
    stages = toy_stages("word")
    assert contents(output, stages[2], "count.json") == "5"
    files = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}

    again = start(output)
    lines = again.communicate()[0].splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "[1/3] first: as it was",
        "[2/3] second: as it was",
        "[3/3] third: as it was",
    ]
    assert files == {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}

    other = start(output, "longer")
    started(output)
    (output / "go").write_text("!")
    assert other.wait() == 0
    assert contents(output, toy_stages("longer")[2], "count.json") == "7"
    assert contents(output, stages[2], "count.json") == "5"


def test_the_key_is_of_what_decides_and_not_of_the_place(tmp_path):
    first, second, third = toy_stages("word")
    assert [stage.key for stage in toy_stages("word")] == [first.key, second.key, third.key]
    assert first.filled(tmp_path / "a") != first.filled(tmp_path / "b")
    changes = [
        {"commands": [*first.commands, ["true"]]},
        {"files": {"options.yaml": "a: 1\n"}},
        {"inputs": {"model": "other"}},
        {"code": ["experiment/*.py"]},
        {"libraries": ["numpy"]},
        {"needs": [third]},
    ]
    keys = {replace(first, **change).key for change in changes}
    assert len(keys | {first.key}) == len(changes) + 1
    # What only has to come before decides nothing.
    assert replace(first, follows=[third]).key == first.key


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_is_killed_goes_on_and_leaves_nobody_who_writes_beside_it(tmp_path, sign):
    output = pipes(tmp_path / "output")
    process = start(output)
    child = started(output)
    process.send_signal(sign)
    process.wait()
    # Nobody can end its children for a process that is killed; told to stop, it ends them itself.
    assert alive(child) == (sign == signal.SIGKILL)

    process = start(output)
    successor = started(output)
    assert not alive(child)
    (output / "go").write_text("!")
    assert process.wait() == 0, process.stderr.read()
    assert not alive(successor)
    first, second, third = toy_stages("word")
    assert contents(output, second, "said") == "word!"
    assert contents(output, second, "attempts") == "xx"
    assert contents(output, third, "count.json") == "5"
    assert contents(output, first, "log.txt").count("$ ") == 1


def test_a_stage_that_fails_gets_one_line_that_names_its_log(tmp_path):
    output = pipes(tmp_path / "output")
    process = start(output)
    started(output)
    (output / "go").write_text("fail")
    _, said = process.communicate()
    log = toy_stages("word")[1].folder(output) / "log.txt"
    assert process.returncode == 1
    assert said == (
        f"error: second failed (status 1): error: nothing to be done with fail; its log is {log}\n"
    )


def test_a_stage_that_must_run_once_only_is_not_run_again(tmp_path):
    count = Stage("once", "once", [["{python}", "-c", "raise SystemExit(1)"]], "there", [], once=True)
    count.folder(tmp_path).mkdir(parents=True)
    (count.folder(tmp_path) / "there").write_text("as if killed before it was noted")
    assert list(Runner([count], tmp_path).run()) == ["once"]


def test_stages_that_need_nothing_of_each_other_run_at_once(tmp_path):
    """Each waits for the other to have begun: one after the other, neither would end."""
    for name in "ab":
        os.mkfifo(tmp_path / name)
    meet = (
        "import sys, pathlib; a, b, product = map(pathlib.Path, sys.argv[1:]); {}; product.write_text('met')"
    )
    read, write = (
        "assert a.read_text() == 'a'; b.write_text('b')",
        "a.write_text('a'); assert b.read_text() == 'b'",
    )
    stages = [
        Stage(
            "meet",
            name,
            [["{python}", "-c", meet.format(code), "{output}/a", "{output}/b", "{here}/met"]],
            "met",
            [],
        )
        for name, code in (("one", read), ("other", write))
    ]
    assert set(Runner(stages, tmp_path, jobs=2).run()) == {"one", "other"}


def test_the_last_line_of_a_log_is_the_last_state_of_its_bar(tmp_path):
    log = tmp_path / "log.txt"
    assert last_line(log) == ""
    log.write_text("begun\n 10%|#   \r 20%|##  \r\n")
    assert last_line(log) == "20%|##"
