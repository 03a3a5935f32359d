"""
Evaluation of a finished model: a suite of measures in, a table out.

The embedded model on what needs no download, with held-out rows that `repo2agent build` wrote:
    python trainer/evaluate.py --model_name_or_path embedded --suite configs/evaluate/offline.yaml \\
        --dataset_name built --output_dir runs/evaluate/embedded

A glance, at no more than four items of each measure:
    python trainer/evaluate.py --model_name_or_path embedded --limit 4 --output_dir runs/evaluate/glance

The paper's benchmarks, with programs that the model writes run in a sandbox:
    python trainer/evaluate.py --model_name_or_path runs/llama3_8b_64k --suite configs/evaluate/paper.yaml \\
        --allow-code-execution --output_dir runs/evaluate/llama3_8b_64k

It writes `results.json`, `results.md` and the items of each measure, and goes on where it was stopped.
Results of several models side by side: python -m trainer.evaluation.table FOLDER FOLDER …
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Read when torch is loaded. Threads that wait by spinning halve the speed of a CPU that others use too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "20000")


@dataclass
class EvaluateArguments:
    """What is evaluated, and on what."""

    model_name_or_path: str = field(metadata={"help": "A path, a Hub id, or `embedded`."})
    output_dir: str = field(metadata={"help": "Where results go; what lies there already is not done again."})
    suite: str = field(default="configs/evaluate/offline.yaml", metadata={"help": "The measures, as YAML."})
    dataset_name: str | None = field(
        default=None, metadata={"help": "Held-out rows for reconstruction: a folder or Hub id, split `test`."}
    )
    limit: int | None = field(default=None, metadata={"help": "At most so many items for each measure."})
    seed: int = field(default=0, metadata={"help": "Of samples and intervals."})
    allow_code_execution: bool = field(
        default=False, metadata={"help": "Run programs that the model writes, in a sandbox."}
    )
    model_revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit on the Hub."})
    dtype: str = field(default="auto", metadata={"help": "float32, bfloat16, …; auto: the checkpoint's own."})


def main(args: EvaluateArguments) -> dict[str, Any]:
    from trainer.evaluation import Request, ResultsFolder, Skip, load_model, read_suite, results_page

    suite = read_suite(args.suite)
    request = Request(args.seed, args.limit, args.dataset_name, args.allow_code_execution)
    evaluated = load_model(args.model_name_or_path, args.dtype, args.model_revision)
    folder = ResultsFolder(args.output_dir, args.seed)
    results: dict[str, Any] = {
        "version": 1,
        "model": evaluated.describe(),
        "environment": evaluated.environment(),
        "suite": {"name": suite.name, "seed": args.seed, "limit": args.limit},
        "measures": [],
        "skipped": [],
        "external": [dataclasses.asdict(entry) for entry in suite.external],
    }
    for number, options in enumerate(suite.measures, 1):
        print(f"{number}/{len(suite.measures)} {', '.join(options.names)}", file=sys.stderr)
        try:
            # All that decides the items, but not how they are shown.
            decisive = dataclasses.asdict(dataclasses.replace(options, reference=None))
            state = [results["model"], results["environment"], decisive, options.fingerprint(request)]
            key = _digest([*state, args.seed, args.limit])
            entries = folder.finished(options.names, key)
            if entries is None:
                started = time.monotonic()
                measures = options.measure(evaluated, request)
                seconds = time.monotonic() - started
                entries = [folder.keep(measure, key, seconds) for measure in measures]
            for entry, reference in zip(entries, (options.reference, *[None] * len(entries)), strict=False):
                results["measures"].append({**entry, "reference": reference})
        except Skip as reason:
            results["skipped"] += [{"name": name, "reason": str(reason)} for name in options.names]
        folder.write(results, results_page(results))
    return results


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def run() -> None:
    """Parse the command line and evaluate; a user's mistake is one line and exit status 1."""
    from transformers import HfArgumentParser

    from builder import UserError

    dataclass_types: list[Any] = [EvaluateArguments]
    (args,) = HfArgumentParser(dataclass_types).parse_args_into_dataclasses()
    try:
        main(args)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on with what is not measured yet")
    print(Path(args.output_dir, "results.md").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    # As in `cpt.py`: the project's root belongs on the path, where this folder would hide other packages.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    run()
