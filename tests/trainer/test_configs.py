"""Every configuration parses as it stands, and the large one holds the paper's numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file

from trainer.cpt import make_parser

ROOT = Path(__file__).resolve().parents[2]


def parse(path: Path):
    # What a configuration says must not depend on the GPUs of the machine that reads it.
    return make_parser().parse_args_and_config(["--config", str(path), "--use_cpu", "true"])


@pytest.mark.parametrize("path", sorted((ROOT / "configs/cpt").glob("*.yaml")), ids=lambda path: path.stem)
def test_training_configurations_parse(path):
    args, training_args, model_args = parse(path)
    assert (args.dataset_name, model_args.attn_implementation) == ("./builder", "auto")
    assert training_args.report_to == []
    assert training_args.output_dir == f"runs/{path.stem}"


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
    tokens_a_step = rows_a_step * training.max_length
    assert tokens_a_step == 4 * 2**20
    assert 0 <= training.max_steps * tokens_a_step - 20_000_000_000 < tokens_a_step
    assert args.rope_theta == 8e6
    assert (training.learning_rate, training.lr_scheduler_kwargs) == (1e-5, {"min_lr": 1e-6})
    assert training.get_warmup_steps(training.max_steps) == 477
    assert (training.adam_beta1, training.adam_beta2, training.weight_decay) == (0.9, 0.95, 0.1)
    assert training.max_grad_norm == 1.0
    assert training.bf16
    assert model.dtype == "float32"
