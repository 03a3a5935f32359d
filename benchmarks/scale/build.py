"""200 real packages, built by one process, by eight, by Ray and by Slurm, at a server of 50 ms a call.

    python benchmarks/scale/build.py [--packages 200] [--only one eight ray slurm]

Prints for each how many repositories it builds a second, and the share of the time that is not spent waiting
for the server: places for calls that were empty, whatever kept them. The share at full concurrency goes from
the first moment at which all places were taken to the last one; beside it stands that from the first request
to the last answer. Every way must write the same files, to the last byte.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from builder.llm import embedded_model  # noqa: E402
from tests.scale.slurm import PARTITION, CannotStart, cluster, wait_for_jobs  # noqa: E402

LATENCY = 0.05
MANIFEST = Path(__file__).with_name("packages.jsonl")
# Options of each way, and how many calls it has in flight over all of its processes.
WAYS: dict[str, tuple[list[str], int]] = {
    "one": (["--concurrency=4"], 4),
    "eight": (["--workers=8", "--concurrency=1"], 8),
    "ray": (["--executor=ray", "--tasks=4", "--cluster.memory_per_cpu=1", "--concurrency=2"], 8),
    "slurm": (
        [
            *("--executor=slurm", "--tasks=4", "--concurrency=2"),
            *(f"--cluster.partition={PARTITION}", "--cluster.memory_per_cpu=1"),
        ],
        8,
    ),
}


def main() -> None:
    """Build in every way and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packages", type=int, default=200, help="how many of them")
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS), help="some of the ways")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = MANIFEST.read_text(encoding="utf-8").splitlines()[: options.packages]
        manifest = folder / "packages.jsonl"
        manifest.write_text("\n".join(lines), encoding="utf-8")
        first = ""
        for way in options.only:
            try:
                seconds, served, digest, number = build(way, manifest, folder / way)
            except CannotStart as error:
                print(f"{way}: NOT RUN: {error}", flush=True)
                continue
            calls = WAYS[way][1]
            if not served["full_seconds"]:
                raise SystemExit(f"{way}: never had {calls} calls at once; take more packages")
            idle = 1 - served["request_seconds_when_full"] / calls / served["full_seconds"]
            whole = 1 - served["request_seconds"] / calls / served["seconds"]
            call = 1000 * served["request_seconds"] / served["calls"]
            first = first or digest
            failed |= digest != first
            print(
                f"{way}: {number} repositories, {served['calls']} calls of {call:.0f} ms, {calls} at once, "
                f"in {seconds:.0f} s: {number / seconds:.2f} repositories a second; at full concurrency "
                f"({served['full_seconds']:.0f} s) {idle:.1%} of the time not waiting for the server, over "
                f"all {whole:.1%}; rows {digest[:12]}{'' if digest == first else ' DIFFER'}",
                flush=True,
            )
    sys.exit(failed)


def build(way: str, manifest: Path, folder: Path) -> tuple[float, dict[str, Any], str, int]:
    """Build in one ``way``: seconds, what the server counted, a hash of the rows, and how many there are."""
    folder.mkdir()
    output = folder / "built"
    with server(WAYS[way][1]) as (url, counted):
        command = [
            str(Path(sys.executable).with_name("repo2agent")),
            *("build", str(manifest), "--output", str(output), "--llm", url),
            *("--tokenizer", str(embedded_model()), "--store", str(folder / "answers.sqlite")),
            *("--search.rounds", "1", "--search.candidates", "1", "--search.margin", "1e-5"),
            *("--repositories_per_shard", "4"),
            *WAYS[way][0],
        ]
        start = time.perf_counter()
        with contextlib.ExitStack() as stack:
            environment = dict(os.environ)
            if way == "slurm":
                (folder / "slurm").mkdir()
                environment = stack.enter_context(cluster(folder / "slurm"))
                start = time.perf_counter()
            with (folder / "log").open("wb") as log:
                code = subprocess.run(
                    command, stdout=log, stderr=log, env=environment, check=False
                ).returncode
            if code:
                raise SystemExit(f"{way} failed:\n{(folder / 'log').read_text(errors='replace')[-2000:]}")
            if way == "slurm":
                wait_for_jobs(environment, 3600)
            seconds = time.perf_counter() - start
    digest = hashlib.sha256()
    for path in sorted(output.glob("data/*/*.parquet")):
        digest.update(path.relative_to(output).as_posix().encode() + path.read_bytes())
    chosen = json.loads((output / ".build" / "chosen.json").read_text())
    return seconds, counted, digest.hexdigest(), chosen["num_repositories"]


@contextlib.contextmanager
def server(places: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The URL of a fake TGI, and what it has counted once the context is left."""
    command = [sys.executable, ROOT / "tests" / "fake_tgi.py", embedded_model() / "tokenizer.json"]
    command += ["--latency", str(LATENCY), "--places", str(places), "--max_input_tokens", "1500"]
    counted: dict[str, Any] = {}
    with subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().removeprefix("ready ").strip(), counted
        finally:
            process.stdin.close()
            counted.update(json.loads(process.stdout.readline() or "{}"))


if __name__ == "__main__":
    main()
