"""The memory of a worker does not grow with the number of repositories, nor burst at a monstrous one.

With ten times as many repositories as here it takes some minutes: FEW=200 MANY=2000 python -m pytest …
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.rows import read_rows
from tests.scale.conftest import write_project

FEW, MANY = int(os.environ.get("FEW", "60")), int(os.environ.get("MANY", "600"))
LIMIT = 1536 * 2**20  # bytes

# Prints the peak of a build in this process, in kB (`getrusage` would begin with that of the process which
# started it), and that of its children.
PEAK = """
import re, resource, sys
from builder.cli import main
main(sys.argv[1:])
status = open("/proc/self/status").read()
print(re.search(r"VmHWM:\\s*(\\d+)", status)[1], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.fixture
def peaks(arguments):
    """``peaks(folder, *options)``: peak memory in bytes of a worker, and of its reader."""

    def measure(folder: Path, *options: str) -> tuple[int, int]:
        place = folder
        command = arguments(place, "--concurrency=4", *options, source=f"{folder}/sources/*")
        out = subprocess.run(
            [sys.executable, "-c", PEAK, *command], capture_output=True, text=True, check=True
        )
        worker, reader = (int(number) * 1024 for number in out.stdout.split()[-2:])
        return worker, reader

    return measure


def projects(folder: Path, number: int) -> Path:
    for n in range(number):
        write_project(folder / "sources", n)
    return folder


@pytest.mark.slow
def test_ten_times_as_many_repositories_take_no_more_memory(peaks, tmp_path) -> None:
    wanted = ("--configs=[repo2agent,raw-repos,spec-only]",)
    few, _ = peaks(projects(tmp_path / "few", FEW), *wanted)
    many, _ = peaks(projects(tmp_path / "many", MANY), *wanted)
    print(f"peak of {FEW}: {few / 2**20:.0f} MiB, of {MANY}: {many / 2**20:.0f} MiB")
    assert many < 1.2 * few


@pytest.mark.slow
def test_a_repository_of_twenty_thousand_files_and_a_file_of_fifty_megabytes_fit(peaks, tmp_path) -> None:
    folder = projects(tmp_path / "monsters", 3)
    huge = folder / "sources" / "huge"
    for n in range(20_000):
        path = huge / f"package{n // 200}" / f"module{n}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def function_{n}(value):\n    return value + {n}\n")
    heavy = folder / "sources" / "heavy"
    heavy.mkdir()
    (heavy / "data.py").write_text("values = [\n" + "    1,\n" * 7_500_000 + "]\n")
    (heavy / "small.py").write_text("def small():\n    return 1\n")
    wanted = ("--configs=[raw-repos,spec-only]", "--select.max_files=30000")
    worker, reader = peaks(folder, *wanted)
    rows = {row["repository"]: row for row in read_rows(tmp_path / "monsters" / "built", "raw-repos")}
    assert rows["local/huge"]["num_files"] == 20_000
    assert rows["local/heavy"]["skipped"] == [{"path": "data.py", "reason": "larger than 1000000 bytes"}]
    print(f"peak: {worker / 2**20:.0f} MiB, of the reader {reader / 2**20:.0f} MiB")
    assert max(worker, reader) < LIMIT
