"""Rows, splits and the folder that stock `load_dataset` reads."""

from __future__ import annotations

import asyncio
import re

import pytest
from datasets import Features, load_dataset
from huggingface_hub import DatasetCard
from rich.console import Console

from builder.agents import AgentOptions, Team, debug
from builder.errors import UserError
from builder.hub import dataset_card, write_card
from builder.repository import load
from builder.rows import (
    DEFAULT_CONFIGS,
    FEATURES,
    Provenance,
    inspect_row,
    messages_row,
    print_summary,
    raw_row,
    row_id,
    split_of,
    statistics,
    trajectory_row,
    write_dataset,
)
from builder.search import Scorer, SearchOptions, refine
from builder.structure import analyze
from builder.trajectory import DEFAULT_LOSS_ROLES, encode, replay


@pytest.fixture(scope="module")
def built(blueprint, bytes_tokenizer, scripted):
    """Rows and log of the three-file repository, as the pipeline makes them, under a scripted model."""
    model = scripted()

    async def run():
        team = Team(blueprint, model, AgentOptions(), seed=0)
        trajectory = await team.simulate()
        return await refine(team, trajectory, Scorer(model), SearchOptions())

    refined = asyncio.run(run())
    common = (blueprint, Provenance("g@1", "s@1", "p", 0, "0"), bytes_tokenizer, DEFAULT_LOSS_ROLES)
    row = trajectory_row(refined.trajectory, *common, scores=refined.scores)
    known = {"id": row_id(blueprint), "config": "repo2agent-search", "seed": 0}
    log = [{**known, **entry} for entry in refined.log]
    return {"row": row, "raw": raw_row(*common), "log": log}


@pytest.fixture
def folder(built, tmp_path):
    tables = {
        "repo2agent-search": {"train": [built["row"]]},
        "repo2agent": {"train": [built["row"]], "test": []},
        "raw-repos": {"train": [built["raw"]]},
        "spec-only": {"train": [built["row"]]},
        "messages": {"train": [messages_row(built["row"])]},
        "search-log": {"train": built["log"]},
    }
    write_dataset(tmp_path, tables)
    write_card(tmp_path)
    return tmp_path


def test_a_row_has_exactly_the_columns_of_the_schema_and_survives_parquet(
    folder, built, monkeypatch, tmp_path
):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    dataset = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
    assert dataset.features == FEATURES
    assert isinstance(dataset.features, Features)
    assert set(built["row"]) == set(FEATURES)
    row = dataset[0]
    assert row["text"] == built["row"]["text"]
    assert row["spans"] == built["row"]["spans"]
    assert replay(row) == replay(built["row"])


@pytest.mark.parametrize("config", DEFAULT_CONFIGS)
def test_every_config_loads(folder, tmp_path, config):
    splits = load_dataset(str(folder), config, cache_dir=str(tmp_path / "cache"))
    assert list(splits) == ["train"]  # empty splits are left out


def test_a_later_build_leaves_no_rows_of_an_earlier_one(folder, built, tmp_path):
    write_dataset(folder, {"repo2agent-search": {"validation": [built["row"]]}})
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*.parquet")}
    assert found == {"data/repo2agent-search/validation-00000-of-00001.parquet"}
    assert not list(folder.rglob("*.partial"))


def test_the_card_is_a_valid_card_and_names_licence_and_models(folder):
    card = DatasetCard.load(folder / "README.md")
    assert card.data.license == ["mit"]
    assert [entry["config_name"] for entry in card.data.configs] == list(DEFAULT_CONFIGS)
    assert "g@1" in card.text
    assert "{{" not in card.text


def test_a_dataset_with_debugging_loads_and_says_what_was_found(
    blueprint, bytes_tokenizer, scripted, tmp_path
):
    def answer(messages, seed):
        wrong = "```python\nfrom .gone import x\n\ndef other(): ...\n```"
        return wrong if "in one code block" in messages[-1]["content"] else "I do it well."

    team = Team(blueprint, scripted(answer=answer), AgentOptions(), seed=0)

    async def run():
        return await debug(team, await team.simulate())

    common = (blueprint, Provenance("g@1", "s@1", "p", 0, "0"), bytes_tokenizer, DEFAULT_LOSS_ROLES)
    row = trajectory_row(asyncio.run(run()).trajectory, *common)
    write_dataset(tmp_path, {"repo2agent-debug": {"train": [row]}, "search-log": {}})
    write_card(tmp_path)
    loaded = load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))["train"][0]
    assert loaded["steps"] == row["steps"]
    assert {step["defect"] for step in loaded["steps"]} > {"import:.gone.x", "contract:circle"}
    card = DatasetCard.load(tmp_path / "README.md").text
    assert "| `repo2agent-debug` | 2 | import 2, contract 2 | 1.00 |" in card
    console = Console(record=True, width=100, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    inspect_row(tmp_path, "repo2agent-debug", 0, full=True, console=console)
    text = console.export_text()
    assert "from .gone import x" in text and "does not resolve to a file of this project" in text
    print_summary(tmp_path, console=console)
    assert "2 import, 2 contract" in console.export_text()


def test_rows_say_under_which_licence_each_file_stands_and_what_was_redacted_of_it(
    tmp_path, bytes_tokenizer
) -> None:
    contents = {
        "pyproject.toml": '[project]\nlicense = "MIT"\nauthors = [{email = "ann@somewhere.org"}]\n',
        "a.py": "# Copyright 2020 Ann <ann@somewhere.org>\nB = 'bob@else.net', 'ghp_" + "a1B2" * 9 + "'\n",
        "b.js": "// SPDX-License-Identifier: Apache-2.0\n",
        "c.js": "// SPDX-License-Identifier: Unheard-Of\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    blueprint = analyze(load(tmp_path))
    row = raw_row(blueprint, Provenance("", "s@1", "", 0, "0"), bytes_tokenizer, DEFAULT_LOSS_ROLES)
    assert not re.search(r"[\w.]+@\w+\.\w+", str(row))
    files = {file["path"]: file for file in row["files"]}
    assert {path: file["license"] for path, file in files.items()} == {
        "pyproject.toml": "MIT",
        "a.py": "MIT",
        "b.js": "Apache-2.0",
        "c.js": "",
    }
    assert files["a.py"]["attribution"] == ["Copyright 2020 Ann <[REDACTED:email]>"]
    assert files["a.py"]["redactions"] == [{"kind": "email", "num": 2}, {"kind": "github-token", "num": 1}]
    assert files["a.py"]["num_redactions"] == 3
    masked = [row["text"][span["start"] : span["end"]] for span in row["spans"] if span["role"] == "redacted"]
    assert sorted(masked) == ["[REDACTED:email]"] * 3 + ["[REDACTED:github-token]"]

    figures = statistics([row])
    assert figures["redactions"] == {"email": 3, "github-token": 1}
    assert figures["file_licenses"] == {"MIT": 2, "Apache-2.0": 1, "unknown": 1}
    write_dataset(tmp_path / "built", {"raw-repos": {"train": [row]}})
    card = dataset_card(tmp_path / "built")
    assert "MIT (files also: Apache-2.0, unknown)" in card
    assert "4: email 3, github-token 1" in card
    bare = {**row, "license": "", "files": [files["c.js"]]}
    write_dataset(tmp_path / "bare", {"raw-repos": {"train": [bare]}})
    assert "files also" not in dataset_card(tmp_path / "bare")


def test_raw_rows_hold_the_same_files_and_nothing_else(built):
    assert replay(built["raw"]) == replay(built["row"])
    assert {span["role"] for span in built["raw"]["spans"]} == {"call", "code"}
    assert built["raw"]["num_tokens"] == built["row"]["num_raw_tokens"] < built["row"]["num_tokens"]


def test_counts_are_counts_of_the_row(built, bytes_tokenizer):
    row = built["row"]
    encoded = encode(row["text"], row["spans"], bytes_tokenizer)
    assert row["num_tokens"] == len(encoded.ids)
    trained = sum(e - s for (s, e), span in zip(encoded.ranges, row["spans"], strict=True) if span["loss"])
    assert row["num_loss_tokens"] == trained


def test_statistics_weigh_by_scored_tokens():
    def score(nll, weight, **more):
        columns = dict.fromkeys(("nll_none", "nll_outline", "nll_other", "nll_before", "nll"), nll)
        return {**columns, "num_target_tokens": weight, "rounds_accepted": 0, **more}

    row = {"files": [], "skipped": [], "num_raw_tokens": 10, "num_tokens": 25, "num_loss_tokens": 5}
    row |= {"license": "MIT", "generator": "", "scorer": "", "prompts": "", "seed": 0, "version": "1"}
    figures = statistics(
        [{**row, "scores": [score(1.0, 30), score(2.0, 10), score(9.0, 99, nll_other=None)]}]
    )
    assert figures["nll"] == pytest.approx(1.25)
    assert (figures["num_thoughts"], figures["num_compared"], figures["token_ratio"]) == (3, 2, 2.5)
    alone = statistics([{**row, "scores": [score(3.0, 7, nll_other=None)]}])
    assert (alone["nll"], alone["nll_none"], alone["nll_other"]) == (3.0, 3.0, None)


def test_splits_follow_the_identity_and_the_shares():
    identities = [f"pkg:pypi/p{number}" for number in range(4000)]
    splits = [split_of(identity, 0.1, 0.2) for identity in identities]
    assert splits == [split_of(identity, 0.1, 0.2) for identity in identities]
    assert splits.count("test") / 4000 == pytest.approx(0.2, abs=0.03)
    assert splits.count("validation") / 4000 == pytest.approx(0.1, abs=0.03)
    assert set(splits) > {split_of(identity, 0.0, 0.0) for identity in identities} == {"train"}
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_of("x", 0.9, 0.2)


def test_inspect_shows_speakers_contents_and_scores(folder):
    console = Console(record=True, width=100, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    inspect_row(folder, "repo2agent-search", 0, full=True, console=console)
    text = console.export_text()
    assert "sub-agent for report.py" in text
    assert "squared_radius" in text
    assert "NLL of the code" in text
    print_summary(folder, console=console)
    assert "trajectory to plain code" in console.export_text()


def test_no_content_acts_on_the_terminal_that_shows_it(built, tmp_path):
    hostile = "\x1b[2J\x1b]0;title\x07\x9b31m\rover\u202e"
    row = built["row"] | {"id": "local/[/bold]@1", "notes": [hostile]}
    span = next(span for span in row["spans"] if span["content"] and span["role"] == "code")
    row["text"] = row["text"][: span["start"]] + hostile + row["text"][span["start"] + len(hostile) :]
    write_dataset(tmp_path, {"repo2agent-search": {"train": [row]}})
    with (tmp_path / "out").open("w", newline="") as out:
        inspect_row(tmp_path, "repo2agent-search", 0, full=True, console=Console(file=out))
    shown = (tmp_path / "out").read_bytes().decode()
    assert shown.count(r"\x1b[2J\x1b]0;title\x07\x9b31m\rover\u202e") == 2
    assert not set("\x1b\x07\x9b\r\u202e") & set(shown)
    assert "local/[/bold]@1" in shown


@pytest.mark.parametrize(("config", "row"), [("repo2agent-search", 7), ("nothing", 0)])
def test_inspect_says_what_is_missing(folder, config, row):
    with pytest.raises(UserError, match="no row"):
        inspect_row(folder, config, row, full=False)
