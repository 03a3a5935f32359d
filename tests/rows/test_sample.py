"""The sample that lies in builder/data: a real package, rebuilt by the pipeline with the embedded model."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from builder import embedded_model
from builder.hub import dataset_card
from builder.repository import load
from builder.rows import CONFIGS, read_rows
from builder.trajectory import encode, replay

FOLDER = Path(__file__).parents[2] / "builder"
SOURCE = next(
    line.partition(":=")[2].strip()
    for line in (FOLDER.parent / "Makefile").read_text().splitlines()
    if line.startswith("SAMPLE :=")
)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(embedded_model())


@pytest.mark.parametrize("config", CONFIGS[:3])
def test_the_sample_replays_to_the_package_as_its_index_has_it(config) -> None:
    repository = load(SOURCE)
    (row,) = read_rows(FOLDER, config)
    assert replay(row) == {file.path: file.content for file in repository.files}
    assert {f["path"]: f["original_sha256"] for f in row["files"]} == {
        file.path: file.original_sha256 for file in repository.files
    }
    assert row["license"] == repository.license == "MIT"


def test_its_card_is_the_card_of_its_rows() -> None:
    assert (FOLDER / "README.md").read_text() == dataset_card(FOLDER)


def test_its_scores_are_scores_of_the_row(tokenizer, assert_scores_are_of_the_row) -> None:
    (row,) = read_rows(FOLDER, "repo2agent-search")
    assert assert_scores_are_of_the_row(row, tokenizer) >= 3
    assert any(score["targets"][0]["start"] > score["max_input_tokens"] for score in row["scores"])


def test_its_trajectory_is_longer_than_the_code_and_counted_truly(tokenizer) -> None:
    (row,) = read_rows(FOLDER, "repo2agent-search")
    (raw,) = read_rows(FOLDER, "raw-repos")
    assert row["num_tokens"] == len(encode(row["text"], row["spans"], tokenizer).ids)
    assert row["num_raw_tokens"] == raw["num_tokens"]
    assert row["num_tokens"] > 1.5 * row["num_raw_tokens"]
