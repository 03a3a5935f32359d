"""A row and its trajectory: each gives the other."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from builder.config import BuildConfig
from builder.pipeline import Models, reconstruct
from builder.repository import load
from builder.trajectory import ReplayError, from_row, render, render_raw


@pytest.fixture(scope="module")
def rows(scripted):
    """The rows of a real package, with something to redact in it."""
    spec = importlib.util.find_spec("iniconfig")
    repository = load(str(Path(spec.origin).parent))
    model = scripted(answer=lambda messages, seed: f"I write it with care. {seed}")
    return asyncio.run(reconstruct(repository, Models(model, model), BuildConfig())).rows


@pytest.mark.parametrize("config", ["repo2agent", "repo2agent-search", "raw-repos"])
def test_rendering_what_was_read_back_gives_the_row(rows, config):
    row = rows[config]
    trajectory = from_row(row)
    document = (render_raw if config == "raw-repos" else render)(trajectory)
    assert document.text == row["text"]
    assert document.spans == row["spans"]
    assert document.segments == row["segments"]
    assert document.preamble == row["preamble"]


def test_redactions_and_boilerplate_come_back(make_repository, blueprint, bytes_tokenizer):
    from dataclasses import replace

    from builder.rows import Provenance, raw_row
    from builder.trajectory import DEFAULT_LOSS_ROLES

    files = (
        replace(blueprint.repository.files[0], boilerplate=True),
        replace(blueprint.repository.files[1], redactions=((0, 6), (12, 15))),
        blueprint.repository.files[2],
    )
    repository = replace(blueprint.repository, files=files)
    provenance = Provenance("g@1", "s@1", "p", 0, "0")
    row = raw_row(replace(blueprint, repository=repository), provenance, bytes_tokenizer, DEFAULT_LOSS_ROLES)
    assert from_row(row).repository.files == files


def test_a_row_that_contradicts_itself_is_refused(rows):
    row = rows["repo2agent"]
    with pytest.raises(ReplayError, match="does not have the hash"):
        from_row({**row, "text": row["text"].replace("class", "Class")})
