"""A build on one machine: shards appear whole, whoever is killed, with the same rows however it is run.

More kills than here take some minutes: KILLS=30 python -m pytest tests/scale/test_build.py
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from datasets import load_dataset

from builder.cli import main
from builder.config import BuildConfig
from builder.rows import DEFAULT_CONFIGS, read_rows
from builder.scale import Job
from tests.scale.conftest import NUM_PROJECTS, PER_SHARD, files, write_project

KILLS = int(os.environ.get("KILLS", "15"))
NUM_SHARDS = -(-NUM_PROJECTS // PER_SHARD)


def test_the_folder_loads_and_holds_every_repository_once_in_order(calm, projects) -> None:
    for config in ("repo2agent-search", "raw-repos", "messages"):
        dataset = load_dataset(str(calm), config)
        assert set(dataset) == {"train", "validation"}
        assert sum(len(part) for part in dataset.values()) == NUM_PROJECTS
    names = [row["repository"] for row in load_dataset(str(calm), "raw-repos", split="train")]
    assert names == sorted(names)
    both = {row["repository"] for row in read_rows(calm, "raw-repos")}
    assert both == {f"local/{path.name}" for path in projects.iterdir()}
    assert len(list(calm.glob("data/raw-repos/train-*.parquet"))) == NUM_SHARDS


def test_no_place_of_this_machine_is_written_down(calm, projects) -> None:
    beside = [path for path in calm.iterdir() if path.is_file()]
    for path in [*beside, *calm.glob("data/*/*.parquet")]:
        assert str(projects).encode() not in path.read_bytes(), path


def test_any_number_of_workers_writes_the_same_files(calm, arguments, tmp_path) -> None:
    main(arguments(tmp_path, "--workers=3", "--concurrency=2"))
    assert files(tmp_path / "built") == files(calm)


def test_shards_are_dealt_out_evenly_and_the_same_to_all(calm) -> None:
    job = Job(calm, BuildConfig())
    calls = job.totals()["calls"]
    for number in (1, 2, 3, NUM_SHARDS, NUM_SHARDS + 2):
        parts = job.deal(range(NUM_SHARDS), number)
        assert sorted(shard for part in parts for shard in part) == list(range(NUM_SHARDS))
        loads = [sum(calls[shard] for shard in part) for part in parts]
        assert max(loads) - min(loads) <= max(calls)


def test_a_finished_build_is_not_done_again(calm, arguments, tmp_path) -> None:
    shutil.copytree(calm, tmp_path / "built")
    main(arguments(tmp_path))
    assert not (tmp_path / "answers").exists()  # no server was asked
    assert files(tmp_path / "built") == files(calm)


def test_a_folder_with_another_build_in_it_is_refused_unless_told(
    calm, arguments, projects, tmp_path, capsys
) -> None:
    shutil.copytree(calm, tmp_path / "built")
    other = [arguments(tmp_path, "--seed=1"), arguments(tmp_path, source=str(projects / "project0001"))]
    for command, what in zip(other, ("options (seed)", "sources"), strict=True):
        with pytest.raises(SystemExit):
            main(command)
        assert f"holds a build of other {what}; give --overwrite" in capsys.readouterr().err
        assert files(tmp_path / "built") == files(calm)
    main([*other[1], "--overwrite"])
    (row,) = read_rows(tmp_path / "built", "raw-repos")
    assert row["repository"] == "local/project0001"


def test_a_changed_source_is_noticed(arguments, tmp_path, capsys) -> None:
    root = write_project(tmp_path, 1)
    command = arguments(tmp_path, source=str(root))
    main(command)
    (root / "whole.py").write_text("changed = 1\n")
    with pytest.raises(SystemExit):
        main(command)
    assert "holds a build of other sources; give --overwrite" in capsys.readouterr().err


def test_two_builds_do_not_share_a_folder(arguments, tmp_path, capsys) -> None:
    from filelock import FileLock

    (tmp_path / "built").mkdir()
    with FileLock(tmp_path / "built" / ".lock"), pytest.raises(SystemExit):
        main(arguments(tmp_path))
    assert "another build is writing to it" in capsys.readouterr().err


def test_what_cannot_be_read_is_left_out_with_its_reason_and_without_its_place(
    arguments, tmp_path, capsys
) -> None:
    good = write_project(tmp_path / "sources", 1)
    (tmp_path / "sources" / "empty").mkdir()
    (tmp_path / "sources" / "broken.zip").write_bytes(b"PK\x03\x04 no more")
    main(arguments(tmp_path, source=f"{tmp_path}/sources/*"))
    assert "left out: 2 unreadable; the config left-out names each" in capsys.readouterr().out
    rows = list(read_rows(tmp_path / "built", "left-out"))
    assert {row["repository"]: row["reason"] for row in rows} == {
        "local/broken": "unreadable",
        "local/empty": "unreadable",
    }
    assert not any(str(tmp_path) in json.dumps(row) for row in rows)
    (row,) = read_rows(tmp_path / "built", "raw-repos")
    assert row["repository"] == f"local/{good.name}"


def test_a_budget_stops_a_build_that_goes_on_once_it_is_raised(calm, arguments, tmp_path, capsys) -> None:
    command = arguments(tmp_path, "--concurrency=1")
    with pytest.raises(SystemExit):
        main([*command, "--budget.calls=60"])
    said = capsys.readouterr().err
    assert "the budget of 60 calls is reached" in said
    assert "raise --budget.calls" in said
    main(command)
    assert files(tmp_path / "built") == files(calm)


def start(command: list[str]) -> multiprocessing.process.BaseProcess:
    """A build in a process that has imported everything before it is made: thirty starts in seconds."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["builder.scale", "transformers.models.auto.tokenization_auto"])
    build = processes.Process(target=_quietly, args=(command,))
    build.start()
    return build


def _quietly(command: list[str]) -> None:
    os.setpgrp()
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        main(command)


def finished(built: Path) -> int:
    """Repositories that wait in the spool or stand in shards that are done."""
    spooled = len(list(built.glob(".build/spool/*/*")))
    return spooled + PER_SHARD * len(list(built.glob(".build/done/*")))


def closing(built: Path) -> bool:
    """Whether a shard has all of its repositories and is being written."""
    return any(
        len(list(spool.iterdir())) == PER_SHARD
        for spool in built.glob(".build/spool/*")
        if not (built / ".build" / "done" / f"{spool.name}.json").exists()
    )


def wait_for(condition, build, seconds: float = 60) -> bool:
    """Wait for ``condition``; False where the build ends before it holds."""
    end = time.monotonic() + seconds
    while build.is_alive():
        with contextlib.suppress(FileNotFoundError):  # a spool that is being removed
            if condition():
                return True
        assert time.monotonic() < end
        time.sleep(0.0005)
    return False


@pytest.mark.slow
def test_kills_lose_nothing_and_show_nothing_by_halves(calm, arguments, tmp_path) -> None:
    built, dice, whole = tmp_path / "built", random.Random(3), files(calm)
    kills = {"parent": 0, "close": 0, "worker": 0}
    seen = threading.Event()

    def look() -> None:  # as somebody does who loads the folder meanwhile
        while not seen.wait(0.05):
            for path in built.glob("data/*/*.parquet"):
                with contextlib.suppress(FileNotFoundError):
                    assert path.read_bytes() == whole[path.relative_to(built).as_posix()], path

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    while sum(kills.values()) < KILLS:
        kind = min(kills, key=lambda name: kills[name])
        workers = 2 if kind == "worker" else 1
        build = start(arguments(tmp_path, f"--workers={workers}", "--concurrency=2"))
        if kind == "worker":
            for _ in range(2):  # the build starts each of them again
                before = finished(built)
                if not wait_for(lambda before=before: finished(built) > before, build):
                    break
                worker = dice.choice(_children(build.pid, "builder.scale.worker"))
                os.kill(worker, signal.SIGKILL)
                kills["worker"] += 1
        elif kind == "close":
            if wait_for(lambda: closing(built), build):
                build.join(dice.random() * 0.02)
        else:
            before = finished(built)
            if wait_for(lambda before=before: finished(built) > before, build):
                build.join(dice.random() * 0.2)
        if build.is_alive():
            build.kill()
            kills["parent" if kind == "worker" else kind] += 1
        build.join()
        if finished(built) >= NUM_PROJECTS:  # there is nothing left to disturb: once more from the beginning
            main(arguments(tmp_path))
            assert files(built) == whole
            shutil.rmtree(built)
            shutil.rmtree(tmp_path / "answers")
    main(arguments(tmp_path))
    seen.set()
    watcher.join()
    assert files(built) == whole
    assert not list(built.glob(".build/spool/*/*"))
    assert not list(built.glob(".build/half/*"))
    assert min(kills.values()) >= KILLS // 3 - 1


def _children(parent: int | None, module: str) -> list[int]:
    """The processes that run ``module`` for ``parent``."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            command = (path / "cmdline").read_bytes().decode().split("\0")
            stat = (path / "stat").read_text().rpartition(")")[2].split()
            if module in command and int(stat[1]) == parent:
                found.append(int(path.name))
    return found


def test_nothing_outlives_a_killed_build(arguments, tmp_path) -> None:
    build = start(arguments(tmp_path, "--workers=2", "--concurrency=1"))
    built = tmp_path / "built"
    assert wait_for(lambda: finished(built) > 0, build)
    workers = _children(build.pid, "builder.scale.worker")
    readers = [child for worker in workers for child in _children(worker, "builder.scale.child")]
    assert workers
    assert readers
    build.kill()
    build.join()
    end = time.monotonic() + 20
    while any(Path(f"/proc/{process}").exists() for process in (*workers, *readers)):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte; skipped where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_ends_the_build_in_one_line_and_it_goes_on_once_there_is_room(
    calm, arguments, small_disk, tmp_path, capsys
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(700_000))
    command = arguments(tmp_path, output=str(small_disk / "built"))
    with pytest.raises(SystemExit):
        main(command)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"repo2agent: error: {small_disk}/built: cannot be used (No space left on device)")
    assert last.endswith("nothing that was done is lost")
    assert (tmp_path / "answers" / "store.sqlite").exists()
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    main(command)
    assert files(small_disk / "built") == files(calm)


def test_an_output_that_cannot_be_written_is_named_before_anything_is_asked(
    arguments, small_disk, tmp_path, capsys
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(SystemExit):
        main(arguments(tmp_path, output=str(small_disk / "built")))
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{small_disk}/built: cannot be used (Read-only file system)" in line
    assert not (tmp_path / "answers").exists()


def test_a_cache_that_vanishes_ends_the_build_in_one_line_and_costs_only_what_was_under_way(
    calm, arguments, tmp_path
) -> None:
    command = [str(Path(sys.executable).with_name("repo2agent")), *arguments(tmp_path, "--concurrency=1")]
    build = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not finished(tmp_path / "built"):
        assert build.poll() is None
        time.sleep(0.01)
    shutil.rmtree(tmp_path / "answers")
    _, said = build.communicate(timeout=120)
    if build.returncode:  # else it was faster than the look that it takes each second
        (line,) = [line for line in said.splitlines() if "error:" in line]
        assert "store" in line
        assert "Traceback" not in said
    kept = finished(tmp_path / "built")
    assert kept > 0
    main(arguments(tmp_path))
    assert files(tmp_path / "built") == files(calm)


def test_every_config_has_the_rows_of_every_shard(calm) -> None:
    for config in DEFAULT_CONFIGS:
        assert list(read_rows(calm, config)), config


def test_the_output_may_lie_in_what_is_read(arguments, tmp_path) -> None:
    root = write_project(tmp_path, 1)
    command = arguments(tmp_path, source=str(root), output=str(root / "built"))
    main(command)
    first = files(root / "built")
    main(command)  # nothing has changed
    (row,) = read_rows(root / "built", "raw-repos")
    assert [file["path"] for file in row["files"]] == ["part0.py", "part1.py", "whole.py"]
    assert row["skipped"] == [{"path": "built/", "reason": "built dataset"}]
    assert files(root / "built") == first


def test_rows_of_another_making_are_not_replaced_unasked(calm, arguments, tmp_path, capsys) -> None:
    shutil.copytree(calm / "data", tmp_path / "built" / "data")
    with pytest.raises(SystemExit):
        main(arguments(tmp_path))
    assert "holds rows, and nothing of the build that wrote them; give --overwrite" in capsys.readouterr().err
    assert files(tmp_path / "built") == files(calm)
