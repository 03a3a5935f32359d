"""A run that was killed and continued equals one that was not, bit for bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from datasets import Dataset
from safetensors.torch import load_file

from builder import UserError
from trainer.checkpoint import find_checkpoint
from trainer.stream import FILE

from .conftest import trajectory_row

ROOT = Path(__file__).resolve().parents[2]
STEPS = 24
# What a step says of the training, as opposed to of the clock.
LOGGED = (
    "step",
    "epoch",
    "loss",
    "grad_norm",
    "learning_rate",
    "num_tokens",
    "num_trained_tokens",
    "mix_text",
)


@pytest.fixture
def config(tiny_model, tokenizer, tmp_path) -> Path:
    """A run over a stored and a streamed source, whose weights change, with dropout and a warm-up."""
    tiny_model.config.attention_dropout = 0.1
    tiny_model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    Dataset.from_list([trajectory_row(n) for n in (1, 2, 5, 9)]).to_parquet(tmp_path / "rows.parquet")
    for number in range(2):
        texts = [f"text {number} {row} " + "x = 1\n" * (5 * row) for row in range(9)]
        Dataset.from_dict({"text": texts}).to_parquet(tmp_path / f"texts-{number}.parquet")
    settings = yaml.safe_load((ROOT / "configs/cpt/smollm2_cpu.yaml").read_text())
    del settings["max_rows"]
    settings |= {
        "model_name_or_path": str(tmp_path / "model"),
        "sources": {
            "rows": {"data_files": [str(tmp_path / "rows.parquet")], "weight": "0-50 %: 3, 50-100 %: 1"},
            "text": {
                "data_files": [str(tmp_path / "texts-*.parquet")],
                "streaming": True,
                "plain_text": True,
            },
        },
        "max_length": 128,
        "max_steps": STEPS,
        "gradient_accumulation_steps": 2,
        "warmup_steps": 5,
        "save_strategy": "steps",
        "save_steps": 3,
        "disable_tqdm": True,
        "resume_from_checkpoint": "last",
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def run(
    config: Path,
    output: Path,
    send: signal.Signals | None = None,
    step: int = 0,
    options: Sequence[str] = (),
    launcher: Sequence[str] = (),
) -> int:
    """Run to the end, or until the log of ``step`` appears and ``send`` is sent; the exit status."""
    command = ["trainer/cpt.py", "--config", str(config), "--output_dir", str(output), *options]
    process = subprocess.Popen(
        [sys.executable, *launcher, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        # A run that goes on from a checkpoint counts its steps from there: the rate tells which one it is.
        if send is not None and line.startswith("{'loss'") and _step_of(output, lines) >= step:
            process.send_signal(send)
            send = None
    status = process.wait()
    assert status in (0, 143, -9), "".join(lines)[-3000:]
    return status


def _step_of(output: Path, lines: list[str]) -> int:
    begun = next((line for line in lines if "going on from" in line), "checkpoint-0")
    return int(begun.rsplit("-", 1)[1]) + sum(line.startswith("{'loss'") for line in lines)


def outcome(output: Path, steps: int = STEPS) -> dict:
    """What a run came to: its log, its weights, its optimizer, its place in the data."""
    last = output / f"checkpoint-{steps}"
    log = json.loads((last / "trainer_state.json").read_text())["log_history"]
    optimizer = torch.load(last / "optimizer.pt", weights_only=True)["state"]
    with np.load(last / FILE) as data:
        place = {name: data[name] for name in data.files}
    return {
        "log": [{name: entry[name] for name in LOGGED} for entry in log if "loss" in entry],
        "weights": load_file(output / "model.safetensors"),
        "optimizer": {
            f"{n} {name}": value for n, state in optimizer.items() for name, value in state.items()
        },
        "place": place,
    }


@pytest.mark.slow
def test_a_run_killed_and_continued_equals_one_that_was_not(config, tmp_path):
    assert run(config, tmp_path / "whole") == 0
    expected = outcome(tmp_path / "whole")
    assert [entry["step"] for entry in expected["log"]] == list(range(1, STEPS + 1))

    first, second, third = sorted(random.Random(7).sample(range(4, STEPS - 2), 3))
    output = tmp_path / "stopped"
    assert run(config, output, signal.SIGKILL, first) == -9
    assert run(config, output, signal.SIGTERM, second) == 143
    assert run(config, output, signal.SIGKILL, third) == -9
    assert run(config, output) == 0
    actual = outcome(output)
    assert actual["log"] == expected["log"]
    for part in ("weights", "optimizer"):
        assert actual[part].keys() == expected[part].keys()
        assert all(torch.equal(actual[part][name], expected[part][name]) for name in expected[part])
    assert all(np.array_equal(actual["place"][name], expected["place"][name]) for name in expected["place"])


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_ranks(config, tmp_path):
    settings = yaml.safe_load(config.read_text())
    model = tmp_path / "model" / "config.json"
    model.write_text(model.read_text().replace('"attention_dropout": 0.1', '"attention_dropout": 0.0'))
    config.write_text(yaml.safe_dump(settings | {"max_steps": 10, "save_steps": 5}))
    alone, shared = ["--gradient_accumulation_steps=2"], ["--gradient_accumulation_steps=1"]
    two_ranks = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]

    assert run(config, tmp_path / "whole", options=alone) == 0
    shutil.copytree(tmp_path / "whole" / "checkpoint-5", tmp_path / "parted" / "checkpoint-5")
    assert run(config, tmp_path / "parted", options=shared, launcher=two_ranks) == 0
    expected, actual = (outcome(tmp_path / name, 10) for name in ("whole", "parted"))
    assert all(np.array_equal(actual["place"][name], expected["place"][name]) for name in expected["place"])
    for one, other in zip(expected["log"], actual["log"], strict=True):
        assert other == pytest.approx(one, rel=1e-4)
    for part in ("weights", "optimizer"):
        for name, value in expected[part].items():
            assert torch.allclose(actual[part][name], value, rtol=1e-3, atol=1e-5), name


def test_the_newest_complete_checkpoint_is_the_one_to_go_on_from(tmp_path, caplog):
    assert find_checkpoint(None, str(tmp_path)) is None
    assert find_checkpoint("last", str(tmp_path)) is None
    for step in (2, 10, 9):
        directory = tmp_path / f"checkpoint-{step}"
        directory.mkdir()
        (directory / FILE).touch()
        (directory / "trainer_state.json").write_text("{}")
    assert find_checkpoint("last", str(tmp_path)) == str(tmp_path / "checkpoint-10")
    (tmp_path / "checkpoint-10" / "trainer_state.json").write_text('{"glo')
    assert find_checkpoint("last", str(tmp_path)) == str(tmp_path / "checkpoint-9")
    assert "checkpoint-10 is incomplete" in caplog.text
    with pytest.raises(UserError, match="checkpoint-10 is no complete checkpoint"):
        find_checkpoint(str(tmp_path / "checkpoint-10"), str(tmp_path))
