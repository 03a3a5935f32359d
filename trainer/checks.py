"""Combinations that would train something else than was asked for, refused before any weight is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from builder import UserError


def check_launch(training_args: Any, model_args: Any, environment: Mapping[str, str] = os.environ) -> None:
    """Raise ``UserError`` for what cannot work together.

    What the launcher decides is read from ``environment``, where `accelerate launch` puts it, and from
    ``training_args``, which may say it too.
    """
    parallelism = training_args.parallelism_config
    for name, what in (("cp", "context"), ("sp", "sequence"), ("tp", "tensor")):
        size = int(environment.get(f"PARALLELISM_CONFIG_{name.upper()}_SIZE", "1"))
        size = max(size, getattr(parallelism, f"{name}_size", 1) or 1)
        if size > 1 and name == "tp":
            raise UserError("tensor parallelism wants the same rows on several ranks; set tp_size: 1")
        if size > 1:
            raise UserError(
                f"{what} parallelism ({name}_size: {size}) drops the boundaries of packed documents, which "
                f"would then see each other; set {name}_size: 1"
            )
    if training_args.dataloader_num_workers:
        raise UserError(
            "dataloader_num_workers: rows are made in the training process, whose checkpoints hold their "
            "place; set it to 0"
        )
    if training_args.auto_find_batch_size:
        raise UserError(
            "auto_find_batch_size would change the global batch under way; set per_device_train_batch_size"
        )
    if training_args.n_gpu > 1:
        raise UserError("several GPUs need a process each; start with `accelerate launch --config_file …`")
    if model_args.use_peft:
        _check_lora(training_args, model_args, environment)


def _check_lora(training_args: Any, model_args: Any, environment: Mapping[str, str]) -> None:
    options = training_args.fsdp_config if isinstance(training_args.fsdp_config, dict) else {}
    if environment.get("ACCELERATE_USE_FSDP") != "true" and not training_args.fsdp:
        return
    version = environment.get("FSDP_VERSION") or options.get("version", options.get("fsdp_version", 1))
    if str(version) == "1":
        # "Must flatten tensors with uniform requires_grad": peft#1984, accelerate#1620.
        raise UserError(
            "LoRA with FSDP 1, whose flat parameters cannot be frozen in part; set fsdp_version: 2 in the "
            "launcher's configuration"
        )
    if _true(environment.get("FSDP_CPU_RAM_EFFICIENT_LOADING", options.get("cpu_ram_efficient_loading"))):
        # axolotl#3772: only the first rank's shards had been initialised.
        raise UserError(
            "LoRA with fsdp_cpu_ram_efficient_loading, under which only the first rank has adapters to share "
            "out; set it to false"
        )
    if model_args.load_in_4bit or model_args.load_in_8bit:
        raise UserError(
            "a quantised model cannot be sharded: its integers do not survive FSDP; "
            "launch with configs/accelerate/ddp.yaml"
        )


def _true(value: Any) -> bool:
    return str(value).lower() in ("true", "1")
