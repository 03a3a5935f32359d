"""What a run would be, reckoned from its configuration, tokenizer and data, without any weight."""

from __future__ import annotations

import math
from typing import Any

import torch

from trainer.flops import PEAK, attention_flops, weight_flops
from trainer.stream import PackedStream

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
MIN_ROWS = 64  # drawn to see how documents pack


def model_without_weights(config: Any, peft_config: Any = None) -> torch.nn.Module:
    """The model of ``config``, with adapters where ``peft_config`` says so, on the meta device."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        if peft_config is not None:
            from peft import get_peft_model

            model = get_peft_model(model, peft_config)
    return model


def memory_estimate(
    model: torch.nn.Module, dtype: str, tokens: int, num_gpus: int, checkpointing: bool, sharded: bool
) -> dict[str, float]:
    """About how many GiB each GPU needs, by what for, with ``tokens`` in a micro-batch.

    AdamW in float32 on what is trained. Sharded: a share of weights, gradients and moments, and besides two
    blocks in 16 bits and the head as a whole. Activations in 16 bits: the input of each block where they are
    computed again, and about 8 hidden and 4 intermediate sizes a token within a block. The chunks of logits,
    the kernels' workspace and fragmentation are left out.
    """
    config = model.config.get_text_config()  # type: ignore[operator,union-attr]
    num_weights = sum(parameter.numel() for parameter in model.parameters())
    num_trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    head = config.vocab_size * config.hidden_size
    share = num_gpus if sharded else 1
    block = tokens * 2 * (8 * config.hidden_size + 4 * config.intermediate_size)
    kept = config.num_hidden_layers * (tokens * 2 * config.hidden_size if checkpointing else block)
    num_bytes = {
        "weights": num_weights * BYTES.get(dtype, 4) / share,
        "gradients": num_trained * 4 / share,
        "moments": num_trained * 8 / share,
        "gathered": (2 * 2 * (num_weights - 2 * head) / config.num_hidden_layers + 8 * head)
        if sharded
        else 0,
        "activations": kept + block,
    }
    return {name: number / GIB for name, number in num_bytes.items()}


def report(
    model: torch.nn.Module,
    stream: PackedStream,
    training_args: Any,
    *,
    dtype: str,
    num_gpus: int,
    sharded: bool,
    speed: float,
) -> str:
    """The lines that ``--dry_run`` prints; ``speed`` is in tokens a second on each GPU."""
    for _ in stream:
        if stream.step * stream.rows_a_step >= MIN_ROWS:
            break
    counts = stream.place(stream.step).counts
    fill = counts.tokens / (counts.rows * stream.window)
    tokens_a_step = stream.rows_a_step * stream.window
    num_steps = math.ceil(stream.budget / (tokens_a_step * fill))
    if training_args.max_steps > 0:
        num_steps = min(num_steps, training_args.max_steps)
    num_tokens = min(stream.budget, round(num_steps * tokens_a_step * fill))
    num_weights = sum(parameter.numel() for parameter in model.parameters())
    num_trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    tokens = training_args.per_device_train_batch_size * stream.window
    checkpointing = training_args.gradient_checkpointing
    memory = memory_estimate(model, dtype, tokens, num_gpus, checkpointing, sharded)
    parts = ", ".join(f"{name} {gib:.1f}" for name, gib in memory.items() if gib)
    flops = weight_flops(model) + attention_flops(model) * counts.squares / counts.tokens
    mix = zip(stream.names, counts.by_source, strict=True)
    lines = {
        "model": f"{num_weights / 1e9:.2f}B weights in {dtype}, {num_trained / 1e9:.2f}B trained",
        "memory a GPU": f"about {sum(memory.values()):.0f} GiB, an estimate ({parts})",
        "a step": f"{stream.rows_a_step} rows of {stream.window:,}: {tokens_a_step:,} tokens",
        "the run": f"{num_steps:,} steps, {num_tokens:,} tokens",
        "packing": f"{100 * (1 - fill):.2f} % padding, {counts.documents / counts.rows:.1f} documents a row, "
        f"{100 * counts.trained / counts.tokens:.1f} % of the tokens trained (of {counts.rows} rows)",
        "mix": ", ".join(f"{name} {100 * number / counts.tokens:.1f} %" for name, number in mix),
        "time": f"{num_tokens / speed / num_gpus / 3600:,.1f} hours at {speed:,.0f} tokens/s on each of "
        f"{num_gpus} GPUs, {100 * flops * speed / PEAK['H100']:.1f} % of an H100's peak",
    }
    return "\n".join(f"{name:14}{line}" for name, line in lines.items())
