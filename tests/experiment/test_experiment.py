"""The whole of a miniature, with real builds, trainings and evaluations, killed where it hurts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiment.__main__ import parse
from experiment.config import ARMS
from experiment.plan import plan
from experiment.stages import ROOT, Stage
from trainer.evaluation import read_suite

SCALES = sorted((ROOT / "configs/experiment").glob("*.yaml"))


def command(config: Path, output: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "experiment", str(config), "--output", str(output), *more]


def start(config: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command(config, output, *more),
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said_of(log: Path) -> str:
    try:
        return log.read_text(errors="replace")
    except OSError:
        return ""


def wait_for(process: subprocess.Popen[str], log: Path, words: str) -> None:
    """Wait until ``log`` has ``words``, while ``process`` lives."""
    while words not in said_of(log):
        with pytest.raises(subprocess.TimeoutExpired):  # it lives, and is left the processor meanwhile
            process.wait(0.1)


@pytest.mark.slow
def test_killed_at_every_boundary_and_within_a_training_it_ends_with_its_page(miniature, tmp_path):
    path, output = miniature(), tmp_path / "output"
    stages = plan(parse([str(path)])[0])
    names = [stage.name for stage in stages]
    train = next(stage for stage in stages if stage.kind == "train")
    log = train.folder(output) / "log.txt"
    finished: set[str] = set()
    killed_within = False
    while True:
        process = start(path, output)
        assert process.stdout is not None
        for line in process.stdout:
            name = line.partition("] ")[2].partition(":")[0]
            if name not in names or name in finished:
                continue
            finished.add(name)
            if names.index(train.name) == names.index(name) + 1 and not killed_within:
                wait_for(process, log, "'loss'")
                killed_within = True
            process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            break
        process.communicate()
    assert process.returncode == 0, process.communicate()
    assert finished == set(names)

    found = json.loads((output / "experiment.json").read_text())
    check_results(found, stages, output)
    assert "<html" in (output / "report/index.html").read_text()
    assert (output / "report/report.md").stat().st_size

    # Again: nothing is done, and nothing heavy is even imported.
    changed = {path: path.stat().st_mtime_ns for path in (output / "stages").rglob("*") if path.is_file()}
    code = (
        "import sys; from experiment.__main__ import main; main(sys.argv[1:]); "
        "print({'torch', 'transformers', 'datasets', 'pyarrow'} & set(sys.modules))"
    )
    again = subprocess.run(
        [sys.executable, "-c", code, str(path), "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout.count("as it was") == len(stages)
    assert again.stdout.splitlines()[-1] == "set()"
    assert changed == {
        path: path.stat().st_mtime_ns for path in (output / "stages").rglob("*") if path.is_file()
    }


def check_results(found: dict, stages: list[Stage], output: Path) -> None:
    """Arms saw as much, the curve begins with the untrained model, and nobody was tested on what he knew."""
    base, raw = found["arms"]
    assert (base["name"], base["trained"]) == ("base", False)
    assert (raw["name"], raw["trained"]) == ("raw-repos", True)
    (untrained,), (trained,) = base["runs"], raw["runs"]
    assert untrained["log"] == []
    assert untrained["tokens"] == {"total": 0, "trained": 0, "unique_code": 0}
    assert trained["tokens"]["total"] == trained["log"][-1]["tokens"] == 3000
    assert 0 < trained["tokens"]["unique_code"] <= trained["tokens"]["trained"] <= 3000
    assert set(trained["log"][0]["losses"]) == {"call", "code"}  # paths, and what stands in them

    values = [
        next(m["value"] for m in run["results"]["measures"] if m["name"] == "reconstruction/dependencies")
        for run in (untrained, trained)
    ]
    assert trained["curve"][0] == {"tokens": 0, "value": values[0]}
    assert trained["curve"][-1] == {"tokens": 3000, "value": values[1]}
    assert len(trained["curve"]) == 3
    assert 0 < trained["curve"][1]["tokens"] < 3000
    assert trained["curve"][1]["value"] not in values

    split = json.loads(next(output.glob("stages/split-*/split.json")).read_text())
    for run in (untrained, trained):
        for measure in run["results"]["measures"]:
            assert {item["group"] for item in measure["items"]} == set(split["repositories"]["held_out"])
    assert found["corpus"]["train"]["repositories"] + found["corpus"]["held_out"]["repositories"] == 8
    assert set(found["seconds"]) == {stage.kind for stage in stages} - {"collect"}
    assert {entry["arm"] for entry in found["skipped"] if "arm" in entry} == set(ARMS) - {"base", "raw-repos"}


@pytest.mark.parametrize("path", SCALES, ids=lambda path: path.stem)
def test_every_scale_says_what_it_would_do(path, tmp_path):
    result = subprocess.run(
        command(path, tmp_path / "output", "--dry_run"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    stages = plan(parse([str(path)])[0])
    for number, stage in enumerate(stages, 1):
        assert f"[{number}/{len(stages)}] {stage.name}: to do" in result.stdout
    assert len([line for line in result.stdout.splitlines() if line.startswith("    ")]) == len(stages)
    assert not (tmp_path / "output").exists()
    # What it would measure is a suite.
    for text in {stage.files["suite.yaml"] for stage in stages if stage.kind == "evaluate"}:
        (tmp_path / "suite.yaml").write_text(text)
        names = {name for measure in read_suite(tmp_path / "suite.yaml").measures for name in measure.names}
        assert "reconstruction/dependencies" in names
    # Each stage stands after what it needs.
    for number, stage in enumerate(stages):
        assert {need.name for need in (*stage.needs, *stage.follows)} <= {s.name for s in stages[:number]}


@pytest.mark.parametrize(
    "options, line",
    [
        ({"arms": ["base", "mine"]}, "unknown arm mine; there are base, general, raw-repos"),
        ({"arms": ["raw-repos", "spec-only"]}, "arms must have base"),
        ({"corpus": {"built": "nowhere"}}, "nowhere is no built dataset"),
        ({"corpus": {}}, "corpus needs either `repositories` to build from or a dataset that is `built`"),
        ({"arms": ["base", "general"]}, "the arm general needs text"),
        ({"training": {"tokens": 100, "config": "nowhere.yaml"}}, "nowhere.yaml: No such file or directory"),
        ({"training": {"tokens": 0}}, "training.tokens must be above 0"),
        ({"evaluation": {"suites": ["configs/experiment/tiny.yaml"]}}, "tiny.yaml is no suite"),
        ({"jobs": 0}, "jobs must be at least 1, not 0"),
        ({"job": 2}, "job"),
    ],
)
def test_a_mistake_gets_one_line(miniature, tmp_path, options, line):
    result = subprocess.run(
        command(miniature(**options), tmp_path / "output"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert line in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "output").exists()


def test_a_training_killed_before_its_model_was_saved_does_its_end_again(tmp_path):
    from experiment.training import drop_finished_checkpoints, keep_for_evaluation

    def checkpoint(step: int, tokens: int) -> Path:
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        history = [{"loss": 1.0, "step": n, "num_tokens": n * tokens // step} for n in range(1, step + 1)]
        (folder / "trainer_state.json").write_text(json.dumps({"log_history": history}))
        for name in ("model.safetensors", "optimizer.pt", "data_state.npz"):
            (folder / name).touch()
        return folder

    middle, end = checkpoint(2, 500), checkpoint(4, 1000)
    drop_finished_checkpoints(tmp_path, 1000)
    assert middle.is_dir()
    assert not end.exists()
    end = checkpoint(4, 1000)
    for _ in range(2):  # killed within it, it is done again
        keep_for_evaluation(tmp_path, [2])
        log = json.loads((tmp_path / "train_log.json").read_text())
        assert [entry["step"] for entry in log] == [1, 2, 3, 4]
        assert not end.exists()
        assert sorted(path.name for path in middle.iterdir()) == ["model.safetensors", "trainer_state.json"]
