"""Negative log-likelihoods of given tokens in given contexts, exact and in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from trainer.evaluation.model import EvaluatedModel

# Tokens that go through the model at once: its activations and logits must fit into memory.
_CHUNK = {"cpu": 2048, "cuda": 8192}


@dataclass(frozen=True)
class Passage:
    """Token ids, and the half-open ranges of them whose NLL is wanted, in order; none begins at 0."""

    ids: Sequence[int]
    targets: Sequence[tuple[int, int]]


def passages_nll(evaluated: EvaluatedModel, passages: Sequence[Passage], desc: str) -> list[list[np.ndarray]]:
    """For each passage and each of its targets, the NLL in nats of every token of it.

    Passages of similar length run together, padded on the right, where no token sees the padding. Whatever is
    longer than a chunk runs in several, over a cache of keys and values.
    """
    chunk = _CHUNK.get(evaluated.device.type, _CHUNK["cpu"])
    results: list[list[np.ndarray]] = [[] for _ in passages]
    order = sorted(range(len(passages)), key=lambda number: (-len(passages[number].ids), number))
    with tqdm(total=sum(len(passage.ids) for passage in passages), unit="token", desc=desc) as bar:
        while order:
            longest = len(passages[order[0]].ids)
            batch, order = _split(order, max(1, chunk // longest))
            for number, found in zip(
                batch, _batch_nll(evaluated.model, [passages[number] for number in batch], chunk), strict=True
            ):
                results[number] = found
            bar.update(sum(len(passages[number].ids) for number in batch))
    return results


def _split(numbers: list[int], at: int) -> tuple[list[int], list[int]]:
    return numbers[:at], numbers[at:]


@torch.inference_mode()
def _batch_nll(model: Any, passages: Sequence[Passage], chunk: int) -> list[list[np.ndarray]]:
    length = max(len(passage.ids) for passage in passages)
    ids = torch.zeros(len(passages), length, dtype=torch.long)
    wanted = torch.zeros(length, dtype=torch.bool)  # positions whose next token is in somebody's target
    for row, passage in enumerate(passages):
        ids[row, : len(passage.ids)] = torch.as_tensor(passage.ids)
        for start, end in passage.targets:
            assert 0 < start <= end <= len(passage.ids), "a target needs a token in front"
            wanted[start - 1 : end - 1] = True
    ids = ids.to(model.device)
    nll = torch.full((len(passages), length), torch.nan)
    cache = None
    last = int(wanted.nonzero().max()) + 1 if wanted.any() else 0  # nothing behind it is needed
    for start in range(0, last, chunk):
        end = min(start + chunk, last)
        places = wanted[start:end].nonzero()[:, 0]
        outputs = model(
            ids[:, start:end],
            past_key_values=cache,
            use_cache=last > chunk,
            logits_to_keep=places.to(model.device) if len(places) else 1,
        )
        cache = outputs.past_key_values if last > chunk else None
        if len(places):
            targets = ids[:, start + 1 + places.to(ids.device)]
            # Row by row: the copy in float32 is the largest tensor of all.
            for row, logits in enumerate(outputs.logits):
                values = torch.nn.functional.cross_entropy(
                    logits.float(), targets[row].to(logits.device), reduction="none"
                )
                nll[row, start + 1 + places] = values.cpu()
    return [
        [nll[row, start:end].double().numpy() for start, end in passage.targets]
        for row, passage in enumerate(passages)
    ]
