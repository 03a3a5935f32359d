"""The trainer: the mean loss over the trained tokens of the global batch, and a count of those tokens."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTTrainer

from trainer.evaluate import RankShare, mean_loss


class CptTrainer(SFTTrainer):
    """``SFTTrainer``, which already divides the summed loss by the trained tokens of the whole batch (all
    ranks, all accumulation steps), with an evaluation loss that does the same, and with logs of what went
    into a step:

    - ``num_tokens``: tokens seen since the start, over all ranks (TRL's own count);
    - ``num_trained_tokens``: those of them that carried loss;
    - ``tokens_per_second``: tokens seen between two logs, over all ranks, by the wall clock.
    """

    def __init__(self, *, train_dataset: torch.utils.data.Dataset, **kwargs: Any):
        # TRL takes a `datasets.Dataset` only and looks at its columns; batches come from the attribute.
        columns = {"input_ids": [[0]], "labels": [[0]], "seq_lengths": [[1]]}
        super().__init__(train_dataset=Dataset.from_dict(columns), **kwargs)
        self.train_dataset = train_dataset
        self._counted = torch.zeros(2, dtype=torch.int64)  # of this rank since the last log: seen, trained
        self._num_trained_tokens = 0
        self._last_log: float | None = None  # before the first step

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        if self._last_log is None:
            self._last_log = time.perf_counter()
        labels = inputs["labels"]
        # The label of a row's first position is never predicted; the collator masks those within the row.
        self._counted += torch.tensor([labels.numel(), int((labels[:, 1:] != -100).sum())])
        return super().training_step(model, inputs, *args, **kwargs)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        rows = self.eval_dataset if eval_dataset is None else eval_dataset
        share = RankShare(rows, self.args.process_index, self.args.world_size)
        return DataLoader(share, self.args.eval_batch_size, collate_fn=self.data_collator)

    def evaluation_loop(
        self,
        dataloader: DataLoader,
        *_args: Any,
        metric_key_prefix: str = "eval",
        **_options: Any,
    ) -> EvalLoopOutput:
        losses = mean_loss(self, dataloader)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in losses.items()}
        return EvalLoopOutput(np.empty(0), None, metrics, num_samples=self.num_examples(dataloader))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs and self._last_log is not None:
            counted = self.accelerator.reduce(self._counted.to(self.accelerator.device), reduction="sum")
            num_seen, num_trained = counted.tolist()
            self._num_trained_tokens += num_trained
            now = time.perf_counter()
            logs["num_trained_tokens"] = self._num_trained_tokens
            logs["tokens_per_second"] = round(num_seen / (now - self._last_log), 1)
            self._counted.zero_()
            self._last_log = now
        super().log(logs, start_time)


def training_summary(trainer: CptTrainer) -> dict[str, float]:
    """What a run came to, for ``metrics.json``: losses in nats a token, time in seconds.

    Single steps see different documents, so two fairer pairs stand beside the first and the last loss:
    means over a quarter of the steps, and over the first and the last full pass through the data, which
    are the same where there was only one.
    """
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    losses = [entry["loss"] for entry in history]
    quarter = max(1, len(losses) // 4)
    num_passes = max(1, int(history[-1]["epoch"] + 1e-6))
    passes = [
        [entry["loss"] for entry in history if number - 1 < entry["epoch"] - 1e-6 <= number]
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
