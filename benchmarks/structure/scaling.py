"""How time and memory grow with a repository: generated Python trees of 100 to 10,000 files.

python benchmarks/structure/scaling.py --rounds 3
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _measures import fail, violations

from builder.repository import load
from builder.structure import analyze

SIZES = (100, 1_000, 10_000)
MAX_GROWTH = 1.5  # of the time per file from the smallest tree to the largest
MAX_BYTES = 1 << 30  # resident, at the peak, for the largest


def main() -> None:
    """Measure each size in a process of its own and print seconds, growth and memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args()  # --show is for the scripts that compare edges
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    seconds: dict[int, list[float]] = {size: [] for size in SIZES}
    peak = 0
    with tempfile.TemporaryDirectory() as folder:
        roots = {size: generate(Path(folder, str(size)), size) for size in SIZES}
        for _ in range(options.rounds):
            for size, root in roots.items():
                command = [sys.executable, __file__, "--measure", root]
                taken, rss = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                seconds[size].append(taken)
                peak = max(peak, rss)
    per_file = {size: statistics.median(seconds[size]) / size for size in SIZES}
    print("Generated trees: loading and analysis")
    for size in SIZES:
        growth = per_file[size] / per_file[SIZES[0]]
        print(f"{size:6} files   {per_file[size] * 1e3:.2f} ms a file   {growth:.2f} times the first")
    print(f"{SIZES[-1]:6} files   {peak / 2**20:.0f} MiB at the peak")
    problems = []
    if per_file[SIZES[-1]] > MAX_GROWTH * per_file[SIZES[0]]:
        problems.append(f"a file costs more than {MAX_GROWTH} times as much among {SIZES[-1]}")
    if peak > MAX_BYTES:
        problems.append(f"more than {MAX_BYTES >> 20} MiB")
    fail(problems)


def measure(root: Path) -> tuple[float, int]:
    """Seconds on a core of loading and analysis after a warm-up, and this process's peak memory in bytes."""
    analyze(root.with_name(str(SIZES[0])))
    start = time.process_time()
    blueprint = analyze(load(root))
    seconds = time.process_time() - start
    assert not violations(blueprint)
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def generate(root: Path, num_files: int) -> Path:
    """A package of ``num_files`` modules in folders of fifty; each imports five others, some in cycles."""
    chance = random.Random(num_files)
    names = [f"part{number // 50}.module{number}" for number in range(num_files)]
    for number, name in enumerate(names):
        needed = [names[chance.randrange(max(1, number))] for _ in range(5)]
        if number % 20 == 0:
            needed.append(chance.choice(names))
        lines = [f"from generated.{module} import function" for module in needed]
        for count in range(10):
            lines += ["", "", f"class Class{count}:", f'    """What number {count} is for."""', ""]
            lines += [f"    def method(self, value: int = {count}) -> int:"]
            lines += [f"        return sum(value * {step} for value in range(10))" for step in range(5)]
        target = root / "generated" / f"{name.replace('.', '/')}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(lines) + "\n\n\ndef function(): ...\n")
    return root


if __name__ == "__main__":
    main()
