"""What training costs: floating-point operations, and the share of the device's peak that they came to.

The convention: 6 operations a token for each weight of a linear layer that is trained and 4 for one that is
frozen (forward 2, gradients of inputs and of weights 2 each); the head counts, the embedding, a lookup, does
not. Attention of a document of n tokens over its own past takes 6 n^2 operations a layer for each channel of
the queries, the full square being counted half. What checkpointing computes again is not counted.
"""

from __future__ import annotations

import torch

# Dense bf16 operations a second, of the vendors' data sheets.
PEAK = {
    "A100": 312e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "H200": 989e12,
    "B200": 2250e12,
}


def weight_flops(model: torch.nn.Module) -> int:
    """Operations a token in the linear layers of ``model``, which may lie on the meta device."""
    weights = [module.weight for module in model.modules() if isinstance(module, torch.nn.Linear)]
    return sum(weight.numel() * (6 if weight.requires_grad else 4) for weight in weights)


def attention_flops(model: torch.nn.Module) -> int:
    """Operations in the attention of ``model`` for each unit of the sum of squared document lengths."""
    config = model.config.get_text_config()  # type: ignore[operator,union-attr]
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 6 * config.num_hidden_layers * config.num_attention_heads * head_size


def peak_flops(device_name: str) -> float | None:
    """Dense bf16 operations a second of the device that calls itself so; None where that is not known."""
    return next(
        (peak for name, peak in PEAK.items() if all(part in device_name for part in name.split())), None
    )
    for name, peak in PEAK.items():
        if all(part in device_name for part in name.split()):
            return peak
    return None
