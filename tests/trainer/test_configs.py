"""Every configuration parses as it stands; the large one has the paper's numbers, its arms other data."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file

from trainer.checks import check_launch
from trainer.cpt import make_parser
from trainer.sources import parse_sources

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {path.parent.name for path in (ROOT / "builder/data").glob("*/*.parquet")}  # those of the sample


def parse(path: Path):
    # What a configuration says must not depend on the GPUs of the machine that reads it.
    return make_parser().parse_args_and_config(["--config", str(path), "--use_cpu", "true"])


@pytest.mark.parametrize("path", sorted((ROOT / "configs/cpt").glob("*.yaml")), ids=lambda path: path.stem)
def test_training_configurations_parse(path):
    args, training_args, model_args = parse(path)
    assert (args.dataset_name, model_args.attn_implementation) == ("./builder", "auto")
    assert training_args.report_to == []
    assert training_args.output_dir == f"runs/{path.stem}"
    check_launch(training_args, model_args, {})
    for source in parse_sources(args.sources, args).values():
        if source.dataset_name == "./builder":
            assert source.dataset_config in (*CONFIGS, "repo2agent-random")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs/accelerate").glob("*.yaml")), ids=lambda path: path.stem
)
def test_launcher_configurations_parse(path):
    config = load_config_from_file(str(path))
    assert config.num_processes == yaml.safe_load(path.read_text())["num_processes"]


def test_the_64k_recipe_is_the_papers():
    args, training, model = parse(ROOT / "configs/cpt/llama3_8b_64k.yaml")
    launcher = load_config_from_file(str(ROOT / "configs/accelerate/fsdp2_8gpu.yaml"))
    rows_a_step = (
        launcher.num_processes * training.per_device_train_batch_size * training.gradient_accumulation_steps
    )
    assert rows_a_step * training.max_length == 4 * 2**20
    assert args.max_tokens == 20_000_000_000
    assert {name: source.weight for name, source in parse_sources(args.sources).items()} == {
        "trajectories": 12,
        "text": 88,
    }
    assert args.rope_theta == 8e6
    assert (training.learning_rate, training.lr_scheduler_kwargs) == (1e-5, {"min_lr": 1e-6})
    steps = math.ceil(args.max_tokens / (rows_a_step * training.max_length))
    assert training.get_warmup_steps(steps) == 477
    assert (training.adam_beta1, training.adam_beta2, training.weight_decay) == (0.9, 0.95, 0.1)
    assert training.max_grad_norm == 1.0
    assert training.bf16
    assert model.dtype == "float32"


@pytest.mark.parametrize("arm", ["raw_repos", "repo2agent", "random", "spec_only", "prolong"])
def test_arms_differ_in_their_data_only(arm):
    ours, theirs = (
        yaml.safe_load((ROOT / "configs/cpt" / name).read_text())
        for name in ("llama3_8b_64k.yaml", f"llama3_8b_64k_{arm}.yaml")
    )
    different = {name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)}
    assert different == {"sources", "output_dir"}
    assert {source.get("weight") for source in theirs["sources"].values()} in ({12, 88}, {None})


def test_two_machines_shard_as_one_does():
    one, two = (
        load_config_from_file(str(ROOT / f"configs/accelerate/fsdp2_{name}.yaml"))
        for name in ("8gpu", "multinode")
    )
    assert one.fsdp_config == two.fsdp_config
    assert (two.num_machines, two.num_processes) == (2, 16)


def test_lora_trains_adapters_on_one_gpu():
    args, training, model = parse(ROOT / "configs/cpt/llama3_8b_64k_lora_1gpu.yaml")
    launcher = load_config_from_file(str(ROOT / "configs/accelerate/single.yaml"))
    assert (model.use_peft, model.dtype, launcher.num_processes) == (True, "bfloat16", 1)
    assert (training.max_length, args.rope_theta) == (65_536, 8e6)
