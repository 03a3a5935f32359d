"""The trainer: a loss that is a mean over tokens, data whose place is kept, and logs of what went in."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from huggingface_hub import ModelCard
from torch.utils.data import DataLoader
from transformers import ProgressCallback
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTTrainer

from trainer.callbacks import RunControl, TokenProgress
from trainer.flops import attention_flops, peak_flops, weight_flops
from trainer.stream import Counts, PackedStream
from trainer.validation import RankShare, RoleSums, mean_losses, with_roles


class CptTrainer(SFTTrainer):
    """``SFTTrainer``, which already divides the summed loss by the trained tokens of the whole batch (all
    ranks, all accumulation steps), with an evaluation loss that does the same, and that

    - reads ``train_dataset``, a ``PackedStream``, ends at its budget, and keeps the place in it with each
      checkpoint;
    - logs, since the start of the run and over all ranks: ``num_tokens``; ``num_trained_tokens``, those with
      loss; ``padding``, the share of positions without a token; of each of several sources, its share of the
      tokens as ``mix_<name>``;
    - logs, since the last log: ``tokens_per_second`` over all ranks by the wall clock, and ``data_wait``, the
      share of that time in which this rank waited for its rows; ``loss_<role>`` over the trained tokens of
      each role there was. On CUDA also ``tokens_per_second_per_gpu``, ``peak_memory_gib`` of this rank, and
      ``mfu``, the share of the GPU's peak that training needed as ``flops.py`` counts it;
    - writes the card that ``card`` makes of it and a model's name into ``output_dir``.
    """

    train_dataset: PackedStream

    def __init__(
        self,
        *,
        train_dataset: PackedStream,
        card: Callable[[CptTrainer, str | None], ModelCard] | None = None,
        **kwargs: Any,
    ):
        # TRL takes a `datasets.Dataset` only and looks at its columns; batches come from the attribute.
        columns = {"input_ids": [[0]], "labels": [[0]], "seq_lengths": [[1]]}
        super().__init__(train_dataset=Dataset.from_dict(columns), **kwargs)
        self.train_dataset = train_dataset
        # Trainer would draw and throw away as many batches as have been trained; the stream knows its place.
        self.args.ignore_data_skip = True
        self._card = card
        self.run_control = RunControl(self)
        # In front of the progress bar, which asks once how long the run will be.
        self.callback_handler.callbacks.insert(1, self.run_control)
        if self.pop_callback(ProgressCallback) is not None:
            self.add_callback(TokenProgress(self))
        self._last_log: tuple[float, Counts] | None = None  # None before the first step
        # Counted before the model is wrapped and sharded.
        model: Any = self.model
        self._flops = weight_flops(model), attention_flops(model)
        self._data_wait = 0.0
        self._role_sums = RoleSums()

    def get_train_dataloader(self) -> DataLoader:
        # Not prepared by accelerate, which would share the rows out a second time. It has a generator of its
        # own, since a new iterator draws a number: the global one must not move when a run is resumed.
        return DataLoader(
            self.train_dataset,
            self.args.per_device_train_batch_size,
            collate_fn=with_roles(self.data_collator),
            pin_memory=self.args.dataloader_pin_memory and self.args.device.type == "cuda",
            generator=torch.Generator(),
        )

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        if self._last_log is None:
            self._last_log = start, self.train_dataset.place(self.state.global_step).counts
        batches = super().get_batch_samples(*args, **kwargs)
        self._data_wait += time.perf_counter() - start
        return batches

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        roles = inputs.pop("roles", None)
        if roles is None or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        outputs = []

        def forward(**kwargs: Any) -> Any:
            outputs.append(model(**kwargs))
            return outputs[-1]

        loss = super().compute_loss(forward, inputs, num_items_in_batch=num_items_in_batch)
        self._role_sums.add(roles[0, 1:], outputs[-1])
        return loss

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        return super().create_scheduler(min(num_training_steps, self.train_dataset.num_full_steps), optimizer)

    def create_model_card(self, model_name: str | None = None, **kwargs: Any) -> None:  # type: ignore[override]
        # Also called with each checkpoint and before a push.
        if self._card is None:
            super().create_model_card(model_name=model_name, **kwargs)
        elif self.is_world_process_zero():
            self._card(self, model_name).save(Path(str(self.args.output_dir), "README.md"))

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        # What follows is trainer_state.json, which makes a checkpoint complete, and then the removal of older
        # ones: neither before every rank has written what is its own.
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            self.train_dataset.save(output_dir, self.state.global_step)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        rows = self.eval_dataset if eval_dataset is None else eval_dataset
        share = RankShare(rows, self.args.process_index, self.args.world_size)
        return DataLoader(share, self.args.eval_batch_size, collate_fn=with_roles(self.data_collator))

    def evaluation_loop(
        self,
        dataloader: DataLoader,
        *_args: Any,
        metric_key_prefix: str = "eval",
        **_options: Any,
    ) -> EvalLoopOutput:
        losses = mean_losses(self, dataloader)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in losses.items()}
        return EvalLoopOutput(np.empty(0), None, metrics, num_samples=self.num_examples(dataloader))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs and self._last_log is not None:
            stream = self.train_dataset
            counts = stream.place(self.state.global_step).counts
            now = time.perf_counter()
            seconds, before = now - self._last_log[0], self._last_log[1]
            num_tokens, squares = counts.tokens - before.tokens, counts.squares - before.squares
            self._metrics["train"]["num_tokens"] = [counts.tokens]  # TRL's own count begins at 0 when resumed
            logs["num_trained_tokens"] = counts.trained
            logs["padding"] = round(1 - counts.tokens / (counts.rows * stream.window), 5)
            if len(stream.names) > 1:
                for name, tokens in zip(stream.names, counts.by_source, strict=True):
                    logs[f"mix_{name}"] = round(tokens / counts.tokens, 5)
            logs["tokens_per_second"] = round(num_tokens / seconds, 1)
            logs["data_wait"] = round(self._data_wait / seconds, 4)
            logs |= self._role_sums.take(self.accelerator)
            if self.args.device.type == "cuda":
                num_gpus = self.args.world_size
                logs["tokens_per_second_per_gpu"] = round(num_tokens / seconds / num_gpus, 1)
                logs["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
                if peak := peak_flops(torch.cuda.get_device_name()):
                    flops = num_tokens * self._flops[0] + squares * self._flops[1]
                    logs["mfu"] = round(flops / seconds / num_gpus / peak, 4)
            self._last_log = now, counts
            self._data_wait = 0.0
        # Reckoned from max_steps, which is no more than a bound where the budget ends the run.
        logs.pop("train_samples_per_second", None)
        super().log(logs, start_time)


def training_summary(trainer: CptTrainer) -> dict[str, float]:
    """What a run came to, for ``metrics.json``: losses in nats a token, time in seconds.

    Single steps see different documents, so two fairer pairs stand beside the first and the last loss:
    means over a quarter of the steps, and over the first and the last full pass through the data, which
    are the same where there was only one, and where a step is longer than a pass.
    """
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    losses = [entry["loss"] for entry in history]
    quarter = max(1, len(losses) // 4)
    num_passes = max(1, int(history[-1]["epoch"] + 1e-6))
    passes = [
        [entry["loss"] for entry in history if number - 1 < entry["epoch"] - 1e-6 <= number] or losses
        for number in (1, num_passes)
    ]
    seconds = trainer.state.log_history[-1].get("train_runtime", 0.0)
    return {
        "loss_first": losses[0],
        "loss_last": losses[-1],
        "loss_first_quarter": sum(losses[:quarter]) / quarter,
        "loss_last_quarter": sum(losses[-quarter:]) / quarter,
        "loss_first_pass": sum(passes[0]) / len(passes[0]),
        "loss_last_pass": sum(passes[1]) / len(passes[1]),
        "num_passes": num_passes,
        "num_tokens": int(history[-1]["num_tokens"]),
        "num_trained_tokens": int(history[-1]["num_trained_tokens"]),
        "num_steps": trainer.state.global_step,
        "seconds": seconds,
    }
