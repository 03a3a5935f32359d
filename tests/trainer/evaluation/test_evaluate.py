"""The script: what it writes, that it goes on where it was stopped, and what it says to a mistake."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from trainer import evaluate
from trainer.evaluation import Measure, ResultsFolder, comparison, mean_interval, read_items, read_results
from trainer.evaluation.reconstruction import ReconstructionOptions
from trainer.evaluation.suite import read_suite
from trainer.evaluation.table import main as print_table

ROOT = Path(__file__).resolve().parents[3]
SUITE = {
    "name": "small",
    "defaults": {"reconstruction": {"window": 512, "target_tokens": 128}},
    "measures": [
        {"measure": "reconstruction", "context": "dependencies", "reference": {"raw-repos": 1.5}},
        {"measure": "reconstruction", "context": "trajectory", "dataset_config": "raw-repos"},
        {"measure": "reconstruction", "context": "nothing"},
    ],
    "external": [
        {"name": "HELMET", "url": "https://example.org", "run": "Its own script.", "reference": None}
    ],
}


@pytest.fixture
def arguments(tiny_directory, held_out, tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text(yaml.dump(SUITE))
    return lambda output, **changes: evaluate.EvaluateArguments(
        **{
            "model_name_or_path": str(tiny_directory),
            "output_dir": str(tmp_path / output),
            "suite": str(suite),
            "dataset_name": str(held_out),
            **changes,
        }
    )


def written(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "progress.json"
    }


def test_results_say_what_was_measured_and_what_was_not(arguments, tmp_path, tiny_directory):
    evaluate.main(arguments("out"))
    results = read_results(tmp_path / "out")
    assert results["model"]["name"] == tiny_directory.name
    assert results["model"]["num_parameters"] > 10_000
    assert [measure["name"] for measure in results["measures"]] == [
        "reconstruction/dependencies",
        "reconstruction/nothing",
    ]
    assert [entry["name"] for entry in results["skipped"]] == ["reconstruction/trajectory"]
    for measure in results["measures"]:
        items = read_items(tmp_path / "out", measure)
        assert len(items) == measure["num_items"]
        assert (measure["value"], *measure["interval"]) == mean_interval(items)
        assert sum(bucket["num_items"] for bucket in measure["buckets"]) == len(items)
        assert measure["notes"] == []
    assert results["measures"][0]["reference"] == {"raw-repos": 1.5}
    page = (tmp_path / "out/results.md").read_text()
    assert "raw-repos 1.5" in page
    assert "nobody wrote anything" in page
    assert "[HELMET](https://example.org)" in page
    assert str(tmp_path) not in page + (tmp_path / "out/results.json").read_text()


def test_an_evaluation_that_was_stopped_goes_on_and_ends_with_the_same_bytes(
    arguments, tmp_path, monkeypatch
):
    evaluate.main(arguments("whole"))
    measure, taken = ReconstructionOptions.measure, []

    def stopping(options, *given):
        if len(taken) == 1:
            taken.append("stop")
            raise KeyboardInterrupt
        taken.append(options.context)
        return measure(options, *given)

    monkeypatch.setattr(ReconstructionOptions, "measure", stopping)
    with pytest.raises(KeyboardInterrupt):
        evaluate.main(arguments("stopped"))
    assert [m["name"] for m in read_results(tmp_path / "stopped")["measures"]] == [
        "reconstruction/dependencies"
    ]
    evaluate.main(arguments("stopped"))
    assert taken == ["dependencies", "stop", "trajectory", "nothing"]
    assert written(tmp_path / "stopped") == written(tmp_path / "whole")
    # Stopped once more, before it has looked at all: what was measured stays measured.
    monkeypatch.setattr(ReconstructionOptions, "fingerprint", _interrupted(ReconstructionOptions.fingerprint))
    with pytest.raises(KeyboardInterrupt):
        evaluate.main(arguments("stopped"))
    evaluate.main(arguments("stopped"))
    assert taken[4:] == ["trajectory"]  # which was skipped, and may be possible now
    assert written(tmp_path / "stopped") == written(tmp_path / "whole")
    # Another seed, limit or set of options is another measure.
    evaluate.main(arguments("stopped", limit=2))
    assert taken[5:] == ["dependencies", "trajectory", "nothing"]
    assert read_results(tmp_path / "stopped")["measures"][0]["num_items"] == 2


def test_an_interval_of_no_width_is_explained(tmp_path):
    items = [{"id": str(n), "group": str(n), "value": 0.0, "weight": 1} for n in range(164)]
    source = {"harness": "repo2agent", "task": "none", "version": "1", "num_fewshot": 0}
    entry = ResultsFolder(tmp_path).keep(Measure("a/b", "B", "pass@1", "higher", items, source), "key", 1.0)
    assert entry["interval"] == [0.0, 0.0]
    assert "all groups agree" in entry["notes"][0]


def _interrupted(call):
    """``call``, but the second time somebody presses Ctrl-C."""
    times = iter(range(100))

    def calling(*given):
        if next(times) == 1:
            raise KeyboardInterrupt
        return call(*given)

    return calling


def test_rows_that_were_built_anew_are_measured_anew(arguments, tmp_path, held_out):
    import shutil

    rows = tmp_path / "rows"
    shutil.copytree(held_out, rows)
    first = evaluate.main(arguments("out", dataset_name=str(rows)))
    file = next((rows / "data/repo2agent").glob("*.parquet"))
    from datasets import Dataset

    Dataset.from_parquet(str(file)).select([0]).to_parquet(file)
    again = evaluate.main(arguments("out", dataset_name=str(rows)))
    assert again["measures"][0]["num_items"] * 3 == first["measures"][0]["num_items"]


def test_several_models_side_by_side(arguments, tmp_path, monkeypatch, capsys):
    for name in ("a", "b"):
        evaluate.main(arguments(name))
    monkeypatch.setattr(sys, "argv", ["table", str(tmp_path / "a"), str(tmp_path / "b")])
    capsys.readouterr()
    print_table()
    page = capsys.readouterr().out
    assert "**" not in page and "undecided" in page  # one model against itself
    runs = {}
    for name, shift in (("a", 0.0), ("b", -0.01)):
        results = read_results(tmp_path / name)
        items = {m["name"]: read_items(tmp_path / name, m) for m in results["measures"]}
        moved = {n: [{**i, "value": i["value"] + shift} for i in entries] for n, entries in items.items()}
        runs[name] = ({**results, "measures": [_remeasured(m, moved) for m in results["measures"]]}, moved)
    rows = [line for line in comparison(runs).splitlines() if "Held-out code given its dep" in line]
    value = runs["b"][0]["measures"][0]["value"]
    assert f"| **{value:.4f}**" in rows[0] and rows[0].count("**") == 2
    assert rows[-1].endswith("| lower |")


def _remeasured(measure, items):
    value, low, high = mean_interval(items[measure["name"]])
    return {**measure, "value": value, "interval": [low, high]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset_name": "no/such/folder"}, "no rows in no/such/folder"),
        ({"model_name_or_path": "no/such/model"}, "no model that transformers can read"),
        ({"dtype": "float33"}, "no dtype float33"),
        ({"limit": -1}, "limit is -1"),
        ({"output_dir": "/dev/null/out"}, "cannot be written"),
        ({"suite": "no/such/suite.yaml"}, "cannot be read as a suite"),
        ({"suite": {"measures": [{"measure": "reconstruct"}]}}, "there are reconstruction"),
        ({"suite": {"measures": [{"measure": "reconstruction", "windw": 3}]}}, "has no windw"),
        ({"suite": {"measures": [{"measure": "reconstruction"}] * 2}}, "twice"),
        ({"suite": {"measures": []}}, "no `measures`"),
        ({"suite": ["reconstruction"]}, "a suite must map"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(arguments, tmp_path, monkeypatch, changes, message):
    if not isinstance(changes.get("suite", ""), str):
        path = tmp_path / "wrong.yaml"
        path.write_text(yaml.dump(changes["suite"]))
        changes = {"suite": str(path)}
    args = vars(arguments("out")) | changes
    given = [f"--{name}={value}" for name, value in args.items() if value not in (None, False)]
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *given])
    with pytest.raises(SystemExit) as exit_info:
        evaluate.run()
    assert str(exit_info.value).startswith("error: ") and message in str(exit_info.value)
    assert "\n" not in str(exit_info.value)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs/evaluate").glob("*.yaml")), ids=lambda path: path.stem
)
def test_suites_parse(path):
    suite = read_suite(path)
    assert suite.name == path.stem
    assert all(measure.names for measure in suite.measures)
