"""What all stages found, in one file, and the report that is made of it.

    python -m experiment.collect stages/collect-…/manifest.json --output stages/collect-…

Before that, what the stages say is held against each other: trainings saw the tokens that were counted, all
arms as many, and nothing was evaluated that is trained on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from builder import UserError
from builder.report import ROUNDS_COLUMNS, rounds_of
from builder.rows import built_files, read_columns
from experiment.config import ARMS, BASE
from experiment.counts import check_totals
from experiment.split import TRAIN, check_held_out
from experiment.stages import DONE, write_whole
from experiment.training import TRAIN_LOG

VERSION = 1
NOTHING = {"total": 0, "trained": 0, "unique_code": 0}


def collect(manifest: dict[str, Any]) -> dict[str, Any]:
    """The content of ``experiment.json``. ``UserError`` where stages contradict each other."""
    split = _read(manifest["split"])
    counts = _read(manifest["counts"])
    arms: dict[str, dict[str, Any]] = {}
    base_value = None
    for run in manifest["runs"]:
        arm = run["arm"]
        results = read_results(Path(run["evaluate"]))
        check_held_out(results, split)
        value = value_of(results, manifest["curve"])
        counted = counts.get(f"{arm}-{run['seed']}")
        if arm == BASE:
            base_value = value
        found = arms.setdefault(
            arm,
            {
                "name": arm,
                "title": ARMS[arm],
                "trained": arm != BASE,
                "data": _data(counted),
                "runs": [],
            },
        )
        found["runs"].append(_run(run, counted, results, base_value, manifest["curve"]))
    totals = {
        f"{arm['name']} seed {run['seed']}": run["tokens"]["total"]
        for arm in arms.values()
        for run in arm["runs"]
        if arm["trained"]
    }
    check_totals(totals)
    return {
        "version": VERSION,
        **{name: manifest[name] for name in ("name", "shows", "conclusive", "commit")},
        "hardware": hardware(arms[BASE]["runs"][0]["results"]["environment"]),
        "model": manifest["model"],
        "seeds": manifest["seeds"],
        "seconds": seconds_by_kind(manifest["stages"]),
        "corpus": {name: split[name] for name in ("train", "held_out", "near_duplicate_files_dropped")},
        "arms": list(arms.values()),
        "search": search(Path(manifest["built"])),
        "skipped": manifest["skipped"],
    }


def _data(counted: dict[str, Any] | None) -> dict[str, Any]:
    if counted is not None:
        return counted["data"]
    return {"documents": 0, "lengths": [], "tokens": 0, "trained_tokens": 0, "unique_code_tokens": 0}


def _run(
    run: dict[str, Any],
    counted: dict[str, Any] | None,
    results: dict[str, Any],
    base_value: float | None,
    curve_name: str,
) -> dict[str, Any]:
    """One entry of an arm's runs."""
    first = [] if base_value is None else [{"tokens": 0, "value": base_value}]
    if run["train"] is None:
        common = {"seed": run["seed"], "tokens": dict(NOTHING), "steps": 0, "epochs": 0.0}
        return {**common, "log": [], "curve": first, "results": results}
    folder = Path(run["train"], "model")
    history = _read(folder / TRAIN_LOG)
    metrics = _read(folder / "metrics.json")
    tokens = {"total": metrics["num_tokens"], "trained": metrics["num_trained_tokens"]}
    assert counted is not None
    if counted["run"] is None:  # it streamed: what was seen of its data is known by passes alone
        epochs = round(float(history[-1]["epoch"]), 4)
        tokens["unique_code"] = round(min(1.0, epochs) * counted["data"]["unique_code_tokens"])
    else:
        expected = counted["run"]["tokens"]
        if tokens != {name: expected[name] for name in tokens}:
            raise UserError(
                f"{run['arm']} seed {run['seed']} was trained on {tokens['total']:,} tokens, "
                f"{tokens['trained']:,} of them with loss, where its data have {expected['total']:,} and "
                f"{expected['trained']:,}; remove {folder} and run again"
            )
        tokens, epochs = expected, counted["run"]["epochs"]
    seen = {entry["step"]: entry["num_tokens"] for entry in history}
    curve = first
    for point in run["curve"]:
        value = value_of(read_results(Path(point["evaluate"])), curve_name)
        if value is not None:
            curve = [*curve, {"tokens": int(seen[point["step"]]), "value": value}]
    last = value_of(results, curve_name)
    if last is not None:
        curve = [*curve, {"tokens": tokens["total"], "value": last}]
    return {
        "seed": run["seed"],
        "tokens": tokens,
        "steps": metrics["num_steps"],
        "epochs": epochs,
        "log": [
            {
                "tokens": int(entry["num_tokens"]),
                "loss": entry["loss"],
                "losses": {
                    name.removeprefix("loss_"): value
                    for name, value in sorted(entry.items())
                    if name.startswith("loss_")
                },
            }
            for entry in history
        ],
        "curve": curve,
        "results": results,
    }


def read_results(folder: Path) -> dict[str, Any]:
    """``results.json`` of an evaluation, with the items themselves in place of their files."""
    from trainer.evaluation import read_items
    from trainer.evaluation import read_results as read

    results = read(folder)
    for measure in results["measures"]:
        measure["items"] = read_items(folder, measure)
    return results


def value_of(results: dict[str, Any], name: str) -> float | None:
    """The value of one measure; None where it was not taken."""
    return next((m["value"] for m in results["measures"] if m["name"] == name), None)


def search(built: Path) -> dict[str, Any] | None:
    """NLL of the training code over the rounds of its search, beside the controls; None without a search."""
    files = [path for path in built_files(built, "search-log") if path.name.startswith(f"{TRAIN}-")]
    if not files:
        return None
    walked = bool(built_files(built, "repo2agent-random"))
    found = rounds_of(read_columns(files, ROUNDS_COLUMNS), walked=walked)
    if not found.searched:
        return None
    return {
        "rounds": [{"round": point.round, "nll": point.nll} for point in found.searched],
        "random": [{"round": point.round, "nll": point.nll} for point in found.random],
        "controls": {name: value for name, value in found.controls.items() if name != "best"},
    }


def seconds_by_kind(stages: dict[str, str]) -> dict[str, float]:
    """Seconds of all stages of each kind, in the order in which they ran."""
    found: dict[str, float] = defaultdict(float)
    for name, folder in stages.items():
        found[name.split(" ")[0]] += _read(Path(folder, DONE))["seconds"]
    return {kind: round(seconds, 1) for kind, seconds in found.items()}


def hardware(environment: dict[str, Any]) -> str:
    """What the models were evaluated on, in words."""
    cores = len(os.sched_getaffinity(0))
    cpu = f"{cores} CPU core{'s' * (cores != 1)}, {os.uname().machine}"
    device = environment.get("device", "cpu")
    return cpu if device == "cpu" else f"{device} ({cpu})"


def _read(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); remove its stage's folder and run again") from None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path, help="what there is, and where")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write to")
    options = parser.parse_args()
    try:
        experiment = collect(_read(options.manifest))
        text = json.dumps(experiment, indent=1, ensure_ascii=False) + "\n"
        write_whole(options.output / "experiment.json", text)
        from experiment.report import write_report

        write_report(experiment, options.output / "report")
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
