"""What a run would be: reckoned from what lies there, and right where the answer is known."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig

from trainer.dry_run import memory_estimate, model_without_weights

from .conftest import trajectory_row

ROOT = Path(__file__).resolve().parents[2]


def test_the_64k_run_is_told_without_weights(tiny_model, tokenizer, tmp_path):
    tiny_model.config.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    Dataset.from_list([trajectory_row(n) for n in range(1, 30)]).to_parquet(tmp_path / "rows.parquet")
    options = {
        "config": ROOT / "configs/cpt/llama3_8b_64k.yaml",
        "model_name_or_path": tmp_path / "model",
        "sources": f'{{"rows": {{"data_files": ["{tmp_path}/rows.parquet"]}}}}',
        "dry_run": 8,
        "dry_run_speed": 1000,
        "dataset_num_proc": 1,
        "use_cpu": "true",
        "bf16": "false",
    }
    command = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    finished = subprocess.run(
        [sys.executable, "trainer/cpt.py", *command], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    lines = dict(line.split(maxsplit=1) for line in finished.stdout.splitlines() if line)
    assert lines["a"] == "step        64 rows of 65,536: 4,194,304 tokens"
    assert "20,000,000,000 tokens" in lines["the"]
    hours = 20e9 / 1000 / 8 / 3600
    assert lines["time"].startswith(f"{hours:,.1f} hours at 1,000 tokens/s on each of 8 GPUs")
    assert lines["mix"] == "rows 100.0 %"


def test_sharding_divides_16_bytes_a_weight(llama_3_8b):
    model = model_without_weights(llama_3_8b)
    assert all(parameter.device == torch.device("meta") for parameter in model.parameters())
    memory = memory_estimate(model, "float32", 65_536, num_gpus=8, checkpointing=True, sharded=True)
    state = memory["weights"] + memory["gradients"] + memory["moments"]
    assert math.isclose(state, 16 * 8_030_261_248 / 8 / 2**30)
    assert 16 < memory["activations"] < 32  # the inputs of 32 blocks alone are 16 GiB
    assert sum(memory.values()) < 80
    alone = memory_estimate(model, "float32", 65_536, num_gpus=1, checkpointing=True, sharded=False)
    assert sum(alone.values()) > 80


def test_adapters_are_all_that_lora_trains(llama_3_8b):
    model = model_without_weights(
        llama_3_8b, LoraConfig(r=64, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    memory = memory_estimate(model, "bfloat16", 65_536, num_gpus=1, checkpointing=True, sharded=False)
    assert memory["gradients"] * 2**30 / 4 == 167_772_160
    assert sum(memory.values()) < 80
