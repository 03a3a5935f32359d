"""The benchmark's matrix runs, on a shape that takes no time, and goes through the parts that it names."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/train_throughput.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("train_throughput", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPT.parent), *sys.path])
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def tiny(benchmark):
    return replace(benchmark.MINIATURE, hidden_size=16, intermediate_size=16, window=128)


def test_every_part_is_off_once_for_each_kind_of_run(benchmark):
    experiments = benchmark.matrix()
    assert len({experiment.name for experiment in experiments}) == len(experiments)
    for trained in ("all", "lora"):
        assert benchmark.Experiment(trained, "full", peer=True) in experiments
        for documents in ("full", "packed"):
            off = [
                e.without
                for e in experiments
                if (e.trained, e.documents, e.peer) == (trained, documents, False)
            ]
            assert sorted(off) == sorted([(), *((part,) for part in benchmark.PARTS)])
    assert all("compile" in e.without for e in benchmark.matrix(("compile",)) if not e.peer)


@pytest.mark.parametrize("trained", ["all", "lora"])
@pytest.mark.parametrize(
    "documents, without",
    [("packed", ("varlen",)), ("full", ("checkpointing",)), ("packed", ("chunked loss",))],
)
def test_an_experiment_measures_steps(trained, documents, without, benchmark, tiny):
    result = benchmark.measure(benchmark.Experiment(trained, documents, (*without, "compile")), tiny, 1, 1)
    assert result["tokens_per_second"] > 0
    assert result["peak_memory_gib"] > 0


@pytest.mark.parametrize("trained", ["all", "lora"])
def test_parts_are_what_their_names_say(trained, benchmark, tiny, tmp_path):
    off = ("compile", "chunked loss", "checkpointing", "varlen")
    whole = benchmark.make_trainer(benchmark.Experiment(trained, "packed"), tiny, 1, str(tmp_path))
    bare = benchmark.make_trainer(benchmark.Experiment(trained, "packed", off), tiny, 1, str(tmp_path))
    peer = benchmark.make_trainer(benchmark.Experiment(trained, "full", peer=True), tiny, 1, str(tmp_path))
    named = [trainer.model.config._attn_implementation for trainer in (whole, bare, peer)]
    assert named == ["per_document", "sdpa", "sdpa"]
    assert [trainer.args.gradient_checkpointing for trainer in (whole, bare, peer)] == [True, False, True]
    assert [trainer.args.torch_compile for trainer in (whole, bare, peer)] == [True, False, False]
    # The loss is one, whether its logits are there at once or in tiles.
    batch = whole.data_collator([next(iter(whole.train_dataset))])
    bare.model.load_state_dict(whole.model.state_dict())
    losses = [trainer.compute_loss(trainer.model, dict(batch)).item() for trainer in (whole, bare)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    trained_shares = [p.requires_grad for p in peer.model.parameters()]
    assert all(trained_shares) == (trained == "all")


def test_an_experiment_that_fails_costs_its_own_line(benchmark, tiny):
    experiment = benchmark.Experiment("all", "full", is_whole=True)
    fine = {"tokens_per_second": 1000.0, "mfu": 0.4, "peak_memory_gib": 2.0}
    other = replace(experiment, without=("varlen",), is_whole=False)
    third = replace(experiment, without=("compile",), is_whole=False)
    lines = benchmark.table(
        [
            (experiment, tiny, fine),
            (other, tiny, {"failure": benchmark.OUT_OF_MEMORY}),
            (third, tiny, fine | {"tokens_per_second": 500.0}),
        ]
    ).splitlines()
    assert "| all parts | 2 | 128 | 1,000 | 40.0 % | 2.0 | 1.00 |" in lines[2]
    assert "out of memory" in lines[3]
    assert lines[4].endswith("| 500 | 40.0 % | 2.0 | 0.50 |")
    assert len({line.count("|") for line in lines}) == 1
    assert benchmark.run_apart(experiment, tiny, 1, 1, timeout=0.01) == {"failure": "over 0.01 s"}


def test_the_script_writes_its_table(tmp_path):
    output = tmp_path / "new" / "table.md"
    options = ["--only", "^all, full, without compile$", "--without", "compile", "--window", "128"]
    options += ["--warmup", "1", "--steps", "1"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options, "--output", str(output)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("all, full"))
    assert json.loads(line.split(": ", 1)[1])["tokens_per_second"] > 0
    assert output.read_text().rstrip().endswith("| 1.00 |")
