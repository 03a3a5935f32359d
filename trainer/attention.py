"""Attention in which packed documents never see each other.

TRL's collator flattens a packed batch into one row and hands over the documents' boundaries as
``cu_seq_lens_q``; transformers passes them through the model to whatever attention is registered. Two are
registered here: ``varlen``, PyTorch's own variable-length FlashAttention on CUDA, and ``per_document``, the
same result from a causal SDPA call for each document, on any device. Neither builds a mask.
"""

from __future__ import annotations

import inspect
import itertools
import logging
from typing import Any

import torch
import transformers.utils
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from builder import UserError

logger = logging.getLogger(__name__)

# A boolean mask of this many positions squared is 64 MiB, and the scores behind it a multiple.
LONGEST_DENSE_WINDOW = 8192
DENSE = ("eager", "sdpa")


def choose_attention(name: str | None, window: int, device: str, half: bool) -> str:
    """The ``attn_implementation`` for ``name`` (``"auto"`` or any of transformers'); says which it took.

    ``device`` is a torch device type, ``half`` tells whether attention is computed in 16 bits: all
    FlashAttention kernels need both CUDA and that. Raises ``UserError`` where ``name`` would build a dense
    mask over a long ``window``, or is not registered.
    """
    if name in DENSE and window > LONGEST_DENSE_WINDOW:
        raise UserError(
            f"attn_implementation: {name} builds a dense {window} x {window} mask to keep packed documents "
            f"apart; use `auto`, or a window of at most {LONGEST_DENSE_WINDOW}"
        )
    if name not in ("auto", None):
        known = ["eager", *AttentionInterface().valid_keys()]
        if name not in known and "/" not in name:  # a slash: a kernel from the Hub
            raise UserError(f"attn_implementation: {name} is unknown; use auto, {', '.join(sorted(known))}")
        return name
    if device == "cuda" and half:
        for version in (4, 3, 2):
            if getattr(transformers.utils, f"is_flash_attn_{version}_available", bool)():
                logger.info("attention: flash_attention_%d", version)
                return f"flash_attention_{version}"
        if _varlen_kernel() is not None:
            logger.info("attention: varlen (PyTorch's FlashAttention; flash-attn is not installed)")
            return "varlen"
    if device != "cpu":
        logger.warning(
            "attention: per_document, SLOW on %s: FlashAttention needs CUDA and 16-bit compute (bf16: true)",
            device,
        )
    else:
        logger.info("attention: per_document (exact, one causal SDPA call for each document)")
    return "per_document"


def document_boundaries(
    cu_seq_lens: torch.Tensor | None, position_ids: torch.Tensor | None, length: int
) -> list[int]:
    """Where the documents of one row of ``length`` tokens begin, and ``length``: ``[0, …, length]``."""
    if cu_seq_lens is not None:
        return cu_seq_lens.tolist()
    if position_ids is None or position_ids.shape != (1, length):
        return [0, length]
    breaks = (position_ids[0].diff() != 1).nonzero().flatten() + 1
    return [0, *breaks.tolist(), length]


# The loop depends on the row: traced, it would be compiled anew for each.
@torch.compiler.disable
def per_document_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """One causal SDPA call for each document. ``query`` [B, H, T, D], ``key``, ``value`` [B, H_kv, T, D].

    Returns ``([B, T, H, D], None)``. Batches with a mask, and decoding from a cache, are plain SDPA.
    """
    length = query.shape[2]
    if attention_mask is not None or key.shape[2] != length or query.shape[0] != 1:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    outputs = [
        sdpa_attention_forward(
            module,
            query[:, :, start:end],
            key[:, :, start:end],
            value[:, :, start:end],
            None,
            dropout=dropout,
            scaling=scaling,
        )[0]
        for start, end in itertools.pairwise(document_boundaries(cu_seq_lens_q, position_ids, length))
    ]
    return torch.cat(outputs, dim=1), None


def varlen_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    position_ids: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """PyTorch's ``varlen_attn`` over the documents of one row; shapes as in ``per_document_attention``."""
    length = query.shape[2]
    if attention_mask is not None or key.shape[2] != length or query.shape[0] != 1:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    if dropout:
        raise UserError("PyTorch's varlen attention has no dropout; set the model's `attention_dropout` to 0")
    if cu_seq_lens_q is None or max_length_q is None:
        boundaries = document_boundaries(cu_seq_lens_q, position_ids, length)
        cu_seq_lens_q = torch.tensor(boundaries, dtype=torch.int32, device=query.device)
        max_length_q = max(end - start for start, end in itertools.pairwise(boundaries))
    kernel = _varlen_kernel()
    assert kernel is not None
    known = inspect.signature(kernel).parameters
    # The arguments' names moved between torch 2.10 and 2.13.
    options: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    num_groups = query.shape[1] // key.shape[1]
    if num_groups > 1 and "enable_gqa" in known:
        options["enable_gqa"] = True
    else:
        key, value = repeat_kv(key, num_groups), repeat_kv(value, num_groups)
    if scaling is not None and "scale" in known:
        options["scale"] = scaling
    elif scaling is not None:
        query = query * (scaling * query.shape[-1] ** 0.5)
    query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))  # [T, H, D]
    output = kernel(query, key, value, cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q, **options)
    return output[None], None


def _varlen_kernel() -> Any | None:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn


def _mask_for_padding_only(
    *, q_length: int, kv_length: int, attention_mask: torch.Tensor | None = None, **kwargs: Any
) -> torch.Tensor | None:
    # A packed row needs none; a padded batch and a filled cache do.
    if attention_mask is None and q_length == kv_length:
        return None
    return sdpa_mask(q_length=q_length, kv_length=kv_length, attention_mask=attention_mask, **kwargs)


def register_attention() -> None:
    """Make ``per_document`` and ``varlen`` known to transformers as ``attn_implementation``."""
    for name, function in (("per_document", per_document_attention), ("varlen", varlen_attention)):
        AttentionInterface.register(name, function)
        AttentionMaskInterface.register(name, _mask_for_padding_only)
