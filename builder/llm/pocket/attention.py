"""Attention in which every sequence reads its own keys and values, whatever shares the forward pass.

Continuous batching pads sequences to one length and masks the padding; the sums then run over different
numbers of terms, and a log-prob changes in its last bits with the company that a request keeps. Here the
linear layers see all rows at once (that is where batching pays), and attention runs sequence by sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "repo2agent_rows"
GROWTH = 512  # tokens: buffers grow in multiples of this


class KeyValues:
    """Keys and values of one sequence, all layers: a buffer ``[2, kv_heads, capacity, head_dim]`` each.

    A buffer is written in place and doubles when it is full. transformers' ``DynamicCache`` concatenates
    instead, which at 3,000 tokens copies 140 MB for each generated token of a 135M model.
    """

    def __init__(self, num_layers: int) -> None:
        self.length = 0
        self._buffers: list[Tensor | None] = [None] * num_layers

    def write(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Put ``key`` and ``value`` (``[kv_heads, n, head_dim]``) behind what is there; return all of it.

        The length stays as it is until ``advance``: every layer writes at the same place.
        """
        end = self.length + key.shape[1]
        buffer = self._buffers[layer]
        if buffer is None or buffer.shape[2] < end:
            capacity = -(-max(end, self.length * 2) // GROWTH) * GROWTH
            grown = key.new_empty((2, key.shape[0], capacity, key.shape[2]))
            if buffer is not None:
                grown[:, :, : self.length] = buffer[:, :, : self.length]
            self._buffers[layer] = buffer = grown
        buffer[0, :, self.length : end] = key
        buffer[1, :, self.length : end] = value
        return buffer[0, :, :end], buffer[1, :, :end]

    def advance(self, num_tokens: int) -> None:
        self.length += num_tokens

    def copy_out(self, start: int, end: int) -> list[Tensor]:
        """A copy of positions ``start`` to ``end``: a tensor ``[2, kv_heads, n, head_dim]`` a layer."""
        return [buffer[:, :, start:end].clone() for buffer in self._buffers if buffer is not None]

    def copy_in(self, layers: list[Tensor]) -> None:
        """Append what ``copy_out`` gave."""
        for layer, block in enumerate(layers):
            self.write(layer, block[0], block[1])
        self.advance(layers[0].shape[2])


@dataclass(frozen=True)
class Row:
    """``num_tokens`` tokens from ``start`` in the flat input, which continue the sequence in ``cache``.

    ``mask`` is additive, ``[groups * num_tokens, length]``; None where one token sees everything.
    """

    start: int
    num_tokens: int
    cache: KeyValues
    mask: Tensor | None = None


def causal_mask(
    num_tokens: int, length: int, groups: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The mask of the last ``num_tokens`` of ``length``, for ``groups`` query heads a kv head."""
    later = torch.ones(num_tokens, length, dtype=torch.bool, device=device).triu(length - num_tokens + 1)
    return torch.zeros_like(later, dtype=dtype).masked_fill(later, float("-inf")).repeat(groups, 1)


def rows_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  (each row brings its own)
    *,
    rows: list[Row],
    scaling: float | None = None,
    **_kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface over a flat batch: ``query`` is ``[1, heads, tokens, head_dim]``.

    Tokens that belong to no row get zeros.
    """
    heads, num_tokens, head_dim = query.shape[1:]
    kv_heads = key.shape[1]
    output = query.new_zeros((1, num_tokens, heads, value.shape[-1]))
    for row in rows:
        span = slice(row.start, row.start + row.num_tokens)
        keys, values = row.cache.write(module.layer_idx, key[0, :, span], value[0, :, span])  # type: ignore[arg-type]
        # Query heads that share a key head are stacked as if they were further queries: no key is repeated.
        queries = query[0, :, span].reshape(1, kv_heads, -1, head_dim)
        mixed = scaled_dot_product_attention(
            queries, keys[None], values[None], attn_mask=row.mask, scale=scaling
        )
        output[0, span] = mixed.view(heads, row.num_tokens, -1).transpose(0, 1)
    return output, None


AttentionInterface.register(NAME, rows_attention)
