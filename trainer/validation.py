"""Validation during training: the mean loss over every trained token of a split, however it is batched."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from trainer.documents import ROLES


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


def with_roles(collate: Any) -> Any:
    """``collate``, which flattens rows into one, and leaves out the role of each token, with the roles."""

    def collate_with_roles(rows: list[dict[str, Any]]) -> dict[str, Any]:
        roles = [row.get("roles", np.zeros(len(row["labels"]), np.int64)) for row in rows]
        return {**collate(rows), "roles": torch.from_numpy(np.concatenate(roles))[None]}

    return collate_with_roles


class RoleSums:
    """Sums of losses and their counts, apart for each role."""

    def __init__(self) -> None:
        self._sums: torch.Tensor | None = None  # [2, 1 + roles]: losses and counts; first, all other roles

    @torch.no_grad()
    def add(self, roles: torch.Tensor, outputs: Any) -> None:
        """Count one row: the role of each target, and what TRL's head says of it."""
        losses, mask = -outputs.log_probs[0].detach(), outputs.label_mask[0]
        if self._sums is None:
            self._sums = torch.zeros(2, len(ROLES) + 1, dtype=torch.float64, device=losses.device)
        for sums, values in zip(self._sums, (losses, mask), strict=True):
            sums.index_add_(0, roles, values.double())

    def over_ranks(self, accelerator: Any) -> tuple[list[float], list[float]]:
        """The sums and counts of all ranks."""
        empty = torch.zeros(2, len(ROLES) + 1, dtype=torch.float64, device=accelerator.device)
        losses, counts = accelerator.reduce(
            empty if self._sums is None else self._sums, reduction="sum"
        ).tolist()
        return losses, counts

    def take(self, accelerator: Any) -> dict[str, float]:
        """``loss_<role>`` of those that occurred, over all ranks; then begin anew."""
        means = means_by_role(*self.over_ranks(accelerator))
        self._sums = None
        return means


def means_by_role(losses: list[float], counts: list[float]) -> dict[str, float]:
    """Mean losses by role as ``loss_<role>``, of sums that begin with all other roles."""
    return {
        f"loss_{name}": loss / count
        for name, loss, count in zip(ROLES, losses[1:], counts[1:], strict=True)
        if count
    }


@torch.no_grad()
def mean_losses(trainer: Any, dataloader: DataLoader) -> dict[str, float]:
    """``loss`` in nats, and the number of ``trained_tokens`` it is the mean over; summed over all ranks.

    ``loss_<role>`` is the same over the trained tokens of that role, for those that occur. Trainer's own loop
    averages the means of batches, so that a token weighs more where its batch has few.
    """
    model = trainer.model
    model.eval()
    found = RoleSums()
    for batch in dataloader:
        inputs = trainer._prepare_inputs(batch)
        roles = inputs.pop("roles")[0, 1:]
        # TRL's head, which never holds the logits of a whole row.
        found.add(roles, model(**inputs, use_cache=False, fused_lm_head=True))
    losses, counts = found.over_ranks(trainer.accelerator)
    means = {"loss": sum(losses) / max(1.0, sum(counts)), "trained_tokens": sum(counts)}
    return means | means_by_role(losses, counts)
