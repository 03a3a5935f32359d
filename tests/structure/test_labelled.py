"""Projects whose every edge a person has labelled: all of them are found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.repository import load
from builder.structure import analyze

LABELS = sorted(Path(__file__).with_name("labelled").glob("*.edges"))
MIN_FILES = 30


@pytest.mark.parametrize("labels", LABELS, ids=lambda path: path.stem)
def test_every_label_holds_and_nothing_else(labels: Path):
    blueprint = analyze(load(labels.with_suffix("")))
    found = [
        *(f"{edge.source} -> {edge.target} {edge.kind}" for edge in blueprint.dependencies),
        *(f"external {name}" for name in blueprint.external),
        *(f"unresolved {path} {name}" for path, name in blueprint.unresolved),
    ]
    labelled = [line for line in labels.read_text().splitlines() if line and not line.startswith("#")]
    assert len(labelled) == len(set(labelled))
    assert sorted(found) == sorted(labelled)
    assert len(blueprint.outlines) >= MIN_FILES
