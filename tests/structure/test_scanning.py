"""One process or several, one hash seed or another: the same blueprint."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
from pathlib import Path

import pytest

import builder
from builder.errors import UserError
from builder.repository import load
from builder.structure import analyze, scanning

ROOM = Path(builder.__file__).parent


def test_workers_change_nothing(monkeypatch):
    repository = load(ROOM)
    alone = analyze(repository)
    monkeypatch.setattr(scanning, "MIN_FOR_POOL", 0)
    together = analyze(repository, workers=3)
    assert together == alone
    assert list(together.outlines) == list(alone.outlines)


def test_small_repositories_start_no_process(monkeypatch):
    monkeypatch.setattr(concurrent.futures, "ProcessPoolExecutor", None)
    assert analyze(ROOM, workers=8).dependencies


def test_a_worker_that_dies_ends_in_one_line(monkeypatch, tmp_path):
    (tmp_path / "dying.py").write_text("import os\n\ndef scan(source):\n    os._exit(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(scanning, "MIN_FOR_POOL", 0)
    with pytest.raises(UserError, match="a worker process died"):
        scanning.scan_all([("dying", "text")] * 2, workers=2)


def test_number_of_workers_is_checked():
    with pytest.raises(UserError, match="at least 1, not 0"):
        analyze(ROOM, workers=0)


def test_json_does_not_depend_on_the_hash_seed():
    outputs = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "builder.cli", "structure", str(ROOM), "--json", "--workers", "2"]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        outputs.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(outputs) == 1
