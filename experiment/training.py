"""What a training leaves behind, before it goes on and after it has ended. Without torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from experiment.stages import write_whole

TRAIN_LOG = "train_log.json"
# Of a checkpoint, what only going on from it needs.
_RESUMING = ("optimizer", "scheduler", "rng_state", "data_state", "training_args", "pytorch_model_fsdp")


def checkpoints(output_dir: Path) -> list[tuple[int, Path]]:
    """Steps and folders of the checkpoints, in order."""
    found = [path for path in output_dir.glob("checkpoint-*") if path.name[11:].isdigit()]
    return sorted((int(path.name[11:]), path) for path in found)


def drop_finished_checkpoints(output_dir: Path, budget: int) -> None:
    """Remove checkpoints of a run that had seen all its tokens and was killed before its model was saved.

    `trainer/cpt.py` goes on from no such end: it does the last stretch again.
    """
    for _, folder in checkpoints(output_dir):
        log = _log_of(folder)
        if log and log[-1].get("num_tokens", 0) >= budget:
            shutil.rmtree(folder)


def keep_for_evaluation(output_dir: Path, steps: list[int]) -> None:
    """Keep the log of a finished run, and of its checkpoints the models at ``steps``."""
    found = checkpoints(output_dir)
    complete = [log for _, folder in found if (log := _log_of(folder))]
    # The log is complete in the last checkpoint, which goes last.
    if complete and not (output_dir / TRAIN_LOG).is_file():
        longest = max(complete, key=lambda log: log[-1].get("step", 0))
        write_whole(output_dir / TRAIN_LOG, json.dumps(longest, indent=1) + "\n")
    for step, folder in found:
        if step not in steps:
            shutil.rmtree(folder)
            continue
        for path in folder.iterdir():
            if path.name.startswith(_RESUMING):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _log_of(checkpoint: Path) -> list[dict[str, Any]]:
    """The log up to a complete checkpoint; empty where it is not complete."""
    try:
        history = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    except (OSError, ValueError, KeyError):
        return []
    return [entry for entry in history if "loss" in entry]
