"""The folder of an evaluation: ``results.json``, ``results.md``, ``items/*.jsonl``, and what was done when.

``results.json`` and the items are the same bytes for the same model, suite and seed. Times, and what an
evaluation that is started again need not measure again, are apart in ``progress.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder import UserError
from trainer.evaluation.types import Item, Measure
from trainer.evaluation.uncertainty import mean_interval

VERSION = 1


class ResultsFolder:
    """What has been measured into ``folder``, kept after each measure."""

    def __init__(self, folder: str | Path, seed: int = 0):
        self.folder = Path(folder)
        self._seed = seed
        try:
            (self.folder / "items").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written: {error.strerror}; give another --output_dir"
            ) from error
        self._progress: dict[str, Any] = _read_json(self.folder / "progress.json") or {}

    def finished(self, names: Sequence[str], key: str) -> list[dict[str, Any]] | None:
        """The entries of measures that were taken under ``key``; None unless all of them are still there."""
        kept = [self._progress.get(name, {}) for name in names]
        if all(one.get("key") == key and (self.folder / one["entry"]["items"]).is_file() for one in kept):
            return [one["entry"] for one in kept]
        return None

    def keep(self, measure: Measure, key: str, seconds: float) -> dict[str, Any]:
        """Write the items of ``measure`` down and give its entry in the results."""
        items = f"items/{measure.name.replace('/', '-')}.jsonl"
        lines = (json.dumps(item, ensure_ascii=False) + "\n" for item in measure.items)
        _write(self.folder / items, "".join(lines))
        value, low, high = mean_interval(measure.items, self._seed)
        notes = list(measure.notes)
        if low == high:
            notes.append("all groups agree: resampling them cannot tell how far the value may be off")
        entry = {
            "name": measure.name,
            "title": measure.title,
            "unit": measure.unit,
            "better": measure.better,
            "value": value,
            "interval": None if math.isnan(low) else [low, high],
            "num_items": len(measure.items),
            "source": dict(measure.source),
            "buckets": list(measure.buckets),
            "notes": notes,
            "items": items,
        }
        self._progress[measure.name] = {"key": key, "seconds": round(seconds, 1), "entry": entry}
        _write(self.folder / "progress.json", json.dumps(self._progress, indent=2, ensure_ascii=False) + "\n")
        return entry

    def write(self, results: Mapping[str, Any], table: str) -> None:
        """Write the results as far as they are there."""
        _write(self.folder / "results.md", table)
        _write(self.folder / "results.json", json.dumps(results, indent=2, ensure_ascii=False) + "\n")


def read_results(folder: str | Path) -> dict[str, Any]:
    """``results.json`` of ``folder``; ``UserError`` where there is none."""
    results = _read_json(Path(folder) / "results.json")
    if not isinstance(results, dict) or results.get("version") != VERSION:
        raise UserError(f"{folder} holds no results; write some with `python trainer/evaluate.py`")
    return results


def read_items(folder: str | Path, measure: Mapping[str, Any]) -> Sequence[Item]:
    """The items of an entry of ``results.json``."""
    path = Path(folder) / measure["items"]
    try:
        with path.open(encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read; evaluate again into this folder") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write(path: Path, text: str) -> None:
    """All of it or nothing."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
