"""The card: every figure on it is one of the rows, and the Hub takes it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import Dataset, load_dataset
from hub_server import LICENSES, card_errors
from huggingface_hub import DatasetCard

from builder.errors import UserError
from builder.hub import dataset_card, write_card
from builder.hub.licenses import IDS, hub_ids
from builder.report import collect, rounds_table
from builder.rows import CONFIGS, FEATURES, built_files, read_columns, read_rows

Tables = dict[str, list[list[str]]]


def tables(card: str) -> Tables:
    """The tables of a card by their headers, each a list of lines of cells, without the header."""
    found: Tables = {}
    lines = card.splitlines()
    for number, line in enumerate(lines):
        if (
            line.startswith("|")
            and set(lines[number + 1]) <= set("|-")
            and not lines[number - 1].startswith("|")
        ):
            header = line.strip("| ")
            assert found.get(header) is None or header == "column | type"
            found[header] = part = []
            for row in lines[number + 2 :]:
                if not row.startswith("|"):
                    break
                cells = re.split(r"(?<!\\)\|", row.strip().strip("|"))
                part.append([re.sub(r"\\(.)", r"\1", cell.strip()).strip("`") for cell in cells])
    return found


def counts(lines: list[list[str]]) -> dict[str, tuple[int, ...]]:
    """Cells after the first as numbers."""
    return {line[0]: tuple(int(cell.replace(",", "")) for cell in line[1:]) for line in lines}


@pytest.fixture
def found(folder) -> Tables:
    return tables(write_card(folder).read_text())


@pytest.fixture
def rows(folder) -> list[dict[str, Any]]:
    return list(read_rows(folder, "repo2agent-search"))


def test_sizes_of_splits_are_those_of_the_files(found, folder) -> None:
    lines = found["config | split | rows | bytes on disk | tokens"]
    assert [line[:2] for line in lines if line[0] == CONFIGS[0]] == [
        [CONFIGS[0], "train"],
        [CONFIGS[0], "test"],
    ]
    assert {line[0] for line in lines} == set(CONFIGS)
    for config, split, *figures in lines:
        files = [path for path in built_files(folder, config) if path.name.startswith(f"{split}-")]
        own = [
            row
            for path in files
            for row in read_columns([path], ("num_tokens", "id", "session_id", "reason"))
        ]
        num_bytes = sum(len(path.read_bytes()) for path in files)
        tokens = f"{sum(row['num_tokens'] for row in own):,}" if "num_tokens" in own[0] else "–"
        assert figures == [f"{len(own):,}", f"{num_bytes:,}", tokens], (config, split)


def test_what_is_in_it_is_counted_in_the_rows(found, rows) -> None:
    figures = dict(found[""])
    files = [file for row in rows for file in row["files"]]
    kinds: Counter[str] = Counter()
    for file in files:
        kinds.update({entry["kind"]: entry["num"] for entry in file["redactions"]})
    raw, tokens = (sum(row[name] for row in rows) for name in ("num_raw_tokens", "num_tokens"))
    assert figures == {
        "repositories": "5",
        "files": str(len(files)),
        "files left out": str(sum(len(row["skipped"]) for row in rows)),
        "redacted": f"{kinds.total()}: email {kinds['email']}",
        "tokens as plain code": f"{raw:,}",
        "tokens as trajectories": f"{tokens:,} ({tokens / raw:.2f} times)",
        "tokens that carry loss": f"{sum(row['num_loss_tokens'] for row in rows):,}",
        "generator": "scripted@1",
        "scorer": "scripted@1",
        "prompts": rows[0]["prompts"],
    }
    assert kinds.total() > 0


def test_languages_and_licences_are_counted_in_the_rows(found, rows) -> None:
    files = [file for row in rows for file in row["files"]]
    languages = {
        name: (
            sum((file["language"] or "other") == name for file in files),
            sum(file["num_bytes"] for file in files if (file["language"] or "other") == name),
        )
        for name in {file["language"] or "other" for file in files}
    }
    assert counts(found["language | files | bytes"]) == languages
    assert len(languages) == 3
    licenses = {
        name: (sum(file["license"] == name for file in files), sum(row["license"] == name for row in rows))
        for name in {row["license"] for row in rows}
    }
    assert counts(found["licence | files | repositories"]) == licenses
    assert licenses["MIT"] == (8, 2)


def test_what_was_left_out_is_counted_by_reason(found, folder, rows) -> None:
    left_out = Counter(row["reason"] for row in read_rows(folder, "left-out"))
    assert counts(found["reason | repositories"]) == {name: (number,) for name, number in left_out.items()}
    assert left_out["license"] == 3
    reasons = [file["reason"].partition(" HumanEval")[0] for row in rows for file in row["skipped"]]
    assert counts(found["reason | files"]) == {name: (number,) for name, number in Counter(reasons).items()}
    assert reasons.count("benchmark") == 7


def test_what_the_search_found_is_what_the_rows_and_the_log_say(found, folder, rows) -> None:
    scores = [score for row in rows for score in row["scores"]]
    weight = sum(score["num_target_tokens"] for score in scores)
    names = ["nll_none", "nll_outline", "nll_other", "nll_before", "nll"]
    means = [sum(score[name] * score["num_target_tokens"] for score in scores) / weight for name in names]
    listed = [float(nll) for _, nll in found["the code, given its outline and … | NLL"]]
    assert listed == pytest.approx(means, abs=5.1e-5)
    header, *lines = rounds_table(collect(folder).found)
    assert found[" | ".join(header)] == lines
    assert [line[0] for line in lines][-7:-3] == [f"searched, round {number}" for number in range(4)]


def test_counts_in_sentences_are_those_of_the_rows(folder, rows) -> None:
    text = write_card(folder).read_text()
    scores = [score for row in rows for score in row["scores"]]
    rewritten = sum(score["rounds_accepted"] > 0 for score in scores)
    assert f"over the {len(scores)} thoughts that were scored" in text
    assert f"{rewritten} of {len(scores)} thoughts were rewritten" in text
    assert f"Over the {len(scores)} thoughts in the log" in text
    assert "# Trajectories of 5 repositories" in text
    assert f"Made with repo2agent {rows[0]['version']}, seed 0." in text


def test_drafts_and_defects_are_counted_in_the_rows(found, folder) -> None:
    lines = found["config | drafts with defects | defects thought about | resolved by the real file"]
    assert [line[0] for line in lines] == ["repo2agent-debug", "repo2agent-search-debug"]
    for config, drafts, defects, resolved in lines:
        own = list(read_rows(folder, config))
        steps = [(row, number, step) for row in own for number, step in enumerate(row["steps"])]
        kinds = Counter(step["defect"].partition(":")[0] for _, _, step in steps if step["kind"] == "debug")
        unresolved = sum(
            any(span["step"] == number and span["role"] == "unresolved" for span in row["spans"])
            for row, number, step in steps
            if step["kind"] == "debug"
        )
        assert drafts == str(sum(step["kind"] == "draft" for *_, step in steps)) != "0"
        assert defects == ", ".join(f"{kind} {number}" for kind, number in kinds.most_common())
        assert resolved == f"{1 - unresolved / kinds.total():.2f}"


def test_repositories_and_columns_are_named_as_the_rows_have_them(folder, rows) -> None:
    text = write_card(folder).read_text()
    listed = tables(text)["repository | revision | licence"]
    assert listed == [
        [row["repository"], row["revision"], row["license"]] for row in sorted(rows, key=lambda r: r["id"])
    ]
    assert listed[0][0] == "local/made|0"
    columns = re.findall(
        r"^\| `(\w+)` \| `(.*)` \|$", text.partition("Columns of the configs")[2], re.MULTILINE
    )
    assert [name for name, _ in columns[: len(FEATURES)]] == list(FEATURES)
    assert ("skipped", "list of {path: string, reason: string}") in columns
    assert ("reason", "string") in columns[len(FEATURES) :]


def test_the_hub_takes_the_card_and_not_a_broken_one(hub, folder) -> None:
    card = write_card(folder)
    DatasetCard.load(card).validate(repo_type="dataset")
    data = DatasetCard.load(card).data
    assert data.license == ["apache-2.0", "bsd-3-clause", "gpl-3.0", "mit"]
    assert data.language == ["en", "code"]
    assert data.size_categories == ["n<1K"]
    assert [config["config_name"] for config in data.configs] == list(CONFIGS)
    assert [config["config_name"] for config in data.configs if config.get("default")] == [CONFIGS[0]]
    for wrong in (
        {"license": "MIT"},
        {"license": "other"},
        {"language": "english"},
        {"size_categories": ["n<1000"]},
        {"task_categories": ["code"]},
        {"configs": [{"data_files": "data/*.parquet"}]},
        {"configs": [{"config_name": "a/b", "data_files": "data/*.parquet"}]},
        {"configs": [{"config_name": "a", "data_files": [{"split": "train-1", "path": "x"}]}]},
        {"configs": [{"config_name": "a", "data_files": "../x"}]},
        {"configs": [{"config_name": name, "default": True, "data_files": "x"} for name in "ab"]},
    ):
        broken = f"---\n{yaml.safe_dump({**data.to_dict(), **wrong})}---\n"
        with pytest.raises(ValueError, match=r"does not take|must|only one"):
            DatasetCard(broken, ignore_metadata_errors=True).validate(repo_type="dataset")


def test_every_config_that_the_card_names_loads(folder, tmp_path) -> None:
    write_card(folder)
    for config in CONFIGS:
        loaded = load_dataset(str(folder), config, cache_dir=str(tmp_path / "cache"))
        assert sum(loaded.num_rows.values()) == sum(1 for _ in read_rows(folder, config)) > 0


def test_licences_are_the_hubs_where_it_has_them_all(make_repository) -> None:
    assert IDS <= LICENSES
    assert hub_ids(["MIT", "(MIT OR Apache-2.0) AND BSD-3-Clause"]) == ["apache-2.0", "bsd-3-clause", "mit"]
    assert hub_ids(["GPL-2.0-or-later", "LGPL-2.1-only", "BSL-1.0"]) == ["bsl-1.0", "gpl-2.0", "lgpl-2.1"]
    for unknown in ("0BSD", "unknown", "GPL-2.0-only WITH Classpath-exception-2.0", "LicenseRef-mine"):
        assert hub_ids(["MIT", unknown]) is None
    assert hub_ids([]) is None


def rewritten(folder: Path, tmp_path: Path, **columns: Any) -> Path:
    """One row of ``folder`` with other ``columns``, as a dataset of its own."""
    from builder.rows import write_dataset

    row = next(read_rows(folder, "raw-repos"))
    write_dataset(tmp_path / "other", {"raw-repos": {"train": [{**row, **columns}]}})
    return tmp_path / "other"


def test_other_licences_are_named_in_a_file_beside_the_card_as_the_hub_asks(folder, tmp_path) -> None:
    place = rewritten(folder, tmp_path, license="0BSD")
    card = DatasetCard.load(write_card(place))
    assert (card.data.license, card.data.license_link) == ("other", "LICENSE.md")
    assert card_errors(str(card)) == []
    assert "| 0BSD | 0 | 1 |" in (place / "LICENSE.md").read_text()
    write_card(rewritten(folder, tmp_path))
    assert not (place / "LICENSE.md").exists()
    (place / "LICENSE.md").write_text("my own\n")
    write_card(place)
    assert (place / "LICENSE.md").read_text() == "my own\n"


def test_what_a_repository_says_of_itself_makes_no_markup(folder, tmp_path) -> None:
    hostile = "a|b\n\n# Heading <img src=x> [link](http://x) `code` **bold**"
    place = rewritten(
        folder, tmp_path, repository=hostile, license=hostile, skipped=[{"path": "x", "reason": hostile}]
    )
    text = write_card(place).read_text()
    assert card_errors(text) == []
    assert "\n# Heading" not in text
    assert not re.search(r"(?<!\\)<img|(?<!\\)\[link|(?<!\\)\*\*bold", text)
    assert tables(text)["reason | files"] == [[" ".join(hostile.split()), "1"]]


def test_the_same_rows_give_the_same_card_and_plot_however_they_lie_in_shards(
    folder, tmp_path, write_shards
) -> None:
    def written(place: Path) -> tuple[list[str], bytes]:
        lines = write_card(place).read_text().splitlines()
        sizes = [line.rpartition(" | ")[0].rpartition(" | ")[0] for line in lines if line.startswith("| `")]
        rest = [line for line in lines if not line.startswith("| `")]
        return [*sizes, *rest], (place / "plots/search.png").read_bytes()

    first = written(folder)
    assert first == written(folder)
    assert first[1].startswith(b"\x89PNG")
    assert not list(folder.rglob("*.partial"))
    (tmp_path / "other").mkdir()
    (folder / "build.yaml").rename(tmp_path / "other" / "build.yaml")
    for config in CONFIGS:
        for split in ("train", "test"):
            files = [path for path in built_files(folder, config) if path.name.startswith(split)]
            rows = [row for path in files for row in Dataset.from_parquet(str(path))]
            write_shards(tmp_path / "other", config, split, rows, 3)
    assert written(tmp_path / "other") == first


def test_rows_that_are_older_than_a_column_are_named(folder) -> None:
    from pyarrow import parquet

    (path, *_) = built_files(folder, CONFIGS[0])
    parquet.write_table(parquet.read_table(path).drop_columns("skipped"), path)
    with pytest.raises(UserError, match="its rows have no 'skipped'"):
        write_card(folder)


def test_without_matplotlib_there_is_the_table_but_no_plot(folder, monkeypatch) -> None:
    import importlib.util

    write_card(folder)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "matplotlib" else found(name, *rest)
    )
    text = write_card(folder).read_text()
    assert "plots/search.png" not in text
    assert not (folder / "plots/search.png").exists()
    assert "| searched, round 3 |" in text


def test_options_stand_on_the_card_as_they_are_and_cannot_end_their_block(folder) -> None:
    text = write_card(folder).read_text()
    assert "```yaml\nseed: 0\nsearch:\n  rounds: 3\n```" in text
    (folder / "build.yaml").write_text("a: |\n  ```\n  # no heading\n")
    assert "````yaml\na: |\n  ```\n  # no heading\n````\n" in dataset_card(folder)
    (folder / "build.yaml").write_text("repos:\n" + "- pkg:pypi/x@1\n" * 10_000)
    assert len(dataset_card(folder)) < len(text) + 200
    (folder / "build.yaml").unlink()
    assert "not kept beside this card" in dataset_card(folder)


def test_a_folder_in_which_all_was_left_out_has_a_card_too(folder, hub) -> None:
    import shutil

    for path in (folder / "data").iterdir():
        if path.name != "left-out":
            shutil.rmtree(path)
    card = DatasetCard.load(write_card(folder))
    card.validate(repo_type="dataset")
    assert "# Trajectories of 0 repositories" in card.text
    assert counts(tables(card.text)["reason | repositories"])["opt-out"] == (1,)


def test_a_folder_without_rows_or_with_broken_ones_is_one_line(folder, tmp_path) -> None:
    with pytest.raises(UserError, match="no rows in it"):
        write_card(tmp_path / "nothing")
    built_files(folder, "raw-repos")[0].write_bytes(b"PAR1 not parquet")
    with pytest.raises(UserError, match="its rows cannot be read"):
        write_card(folder)


def test_columns_that_are_not_asked_for_are_not_read(folder) -> None:
    files = built_files(folder, "repo2agent-search")
    row = next(read_columns(files, ("files.language", "skipped.reason", "seed")))
    assert set(row) == {"files", "skipped", "seed"}
    assert {name for file in row["files"] for name in file} == {"language"}
