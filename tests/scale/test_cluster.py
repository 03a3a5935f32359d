"""The tasks of an executor write the files that a build on one machine writes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from builder.cli import main
from builder.config import BuildConfig
from builder.scale import Job
from tests.scale.conftest import files
from tests.scale.slurm import PARTITION, CannotStart, cluster, wait_for_jobs

PROGRAM = str(Path(sys.executable).with_name("repo2agent"))


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["local", "ray"])
def test_an_executor_writes_the_same_files(executor, calm, arguments, tmp_path) -> None:
    more = [f"--executor={executor}", "--tasks=4", "--concurrency=2", "--cluster.memory_per_cpu=1"]
    done = subprocess.run([PROGRAM, *arguments(tmp_path, *more)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert files(tmp_path / "built") == files(calm)
    assert (tmp_path / "built" / "README.md").read_text() == (calm / "README.md").read_text()
    assert len(list(tmp_path.glob("built/.build/datatrove/build-4/completions/*"))) == 4


@pytest.mark.slow
def test_slurm_writes_the_same_files_and_what_a_dead_task_left_is_done_by_another_start(
    calm, arguments, tmp_path
) -> None:
    more = ["--executor=slurm", "--tasks=4", "--concurrency=2", f"--cluster.partition={PARTITION}"]
    command = [PROGRAM, *arguments(tmp_path, *more, "--cluster.memory_per_cpu=1")]
    (tmp_path / "slurm").mkdir()
    try:
        with cluster(tmp_path / "slurm") as environment:
            for undone in (None, 1, 3):
                if undone is not None:  # as if the task had been killed before its shard was closed
                    (tmp_path / "built" / ".build" / "done" / f"{undone:05}.json").unlink()
                    completions = tmp_path / "built" / ".build" / "datatrove" / "build-4" / "completions"
                    (completions / f"{undone % 4:05}").unlink()
                submitted = subprocess.run(
                    command, env=environment, capture_output=True, text=True, check=False
                )
                assert submitted.returncode == 0, submitted.stderr[-3000:]
                wait_for_jobs(environment, 300)
                logs = "".join(path.read_text() for path in tmp_path.glob("built/.build/**/*.out"))
                assert files(tmp_path / "built") == files(calm), logs[-3000:]
    except CannotStart as reason:
        pytest.skip(f"NO SLURM HERE: {reason}")
    assert (tmp_path / "built" / "README.md").read_text() == (calm / "README.md").read_text()


def test_an_executor_wants_servers_and_a_name_that_there_is(arguments, tmp_path, capsys) -> None:
    without = [option for option in arguments(tmp_path) if not option.startswith("--llm")]
    for command, words in (
        ([*without, "--executor=ray"], "needs model servers that all its tasks reach"),
        (arguments(tmp_path, "--executor=spark"), "no executor spark; there are local, ray, slurm"),
    ):
        with pytest.raises(SystemExit):
            main(command)
        assert words in capsys.readouterr().err


@pytest.mark.slow
def test_the_output_may_be_anything_that_fsspec_opens(calm, arguments, tmp_path) -> None:
    MemoryFileSystem.store.clear()
    main(arguments(tmp_path, output="memory://bucket/built"))
    found = {name: MemoryFileSystem.store[name].getvalue() for name in MemoryFileSystem.store}
    rows = {
        name.removeprefix("/bucket/built/"): data for name, data in found.items() if name.endswith(".parquet")
    }
    assert rows == files(calm)
    assert found["/bucket/built/README.md"].decode() == (calm / "README.md").read_text()
    main(arguments(tmp_path, output="memory://bucket/built"))  # and there is nothing left to do
    assert Job("memory://bucket/built", BuildConfig()).sums()["num_repositories"] == 24
    shutil.rmtree(tmp_path, ignore_errors=True)
