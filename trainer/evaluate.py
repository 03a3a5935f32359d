"""Evaluation: the mean loss over every trained token of a split, whatever the batch size and the ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset


class RankShare(Dataset):
    """The rows of one rank: every ``num_ranks``-th, and as many as on each other rank.

    Sharded models must be called equally often on all ranks. Where rows do not share out evenly, a rank ends
    with a row that another one counts; here its labels are masked.
    """

    def __init__(self, rows: Any, rank: int, num_ranks: int):
        self._rows = rows
        self._rank = rank
        self._num_ranks = num_ranks

    def __len__(self) -> int:
        return -(-len(self._rows) // self._num_ranks)

    def __getitem__(self, index: int) -> dict[str, Any]:
        number = self._rank + self._num_ranks * index
        row = self._rows[number % len(self._rows)]
        return row if number < len(self._rows) else {**row, "labels": np.full_like(row["labels"], -100)}


@torch.no_grad()
def mean_loss(trainer: Any, dataloader: DataLoader) -> dict[str, float]:
    """``loss`` in nats, and the number of ``trained_tokens`` it is the mean over; summed over all ranks.

    Trainer's own loop averages the means of batches, so that a token weighs more where its batch has few.
    """
    model = trainer.model
    model.eval()
    totals = torch.zeros(2, dtype=torch.float64, device=trainer.accelerator.device)
    for batch in dataloader:
        # TRL's head, which never holds the logits of a whole row.
        outputs = model(**trainer._prepare_inputs(batch), use_cache=False, fused_lm_head=True)
        totals += torch.stack([-outputs.log_probs.sum(dtype=torch.float64), outputs.label_mask.sum()])
    total, count = trainer.accelerator.reduce(totals, reduction="sum").tolist()
    return {"loss": total / max(1.0, count), "trained_tokens": count}
