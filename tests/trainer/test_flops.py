"""Operations are counted as they are said to be, and as PyTorch's own counter does where it can."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaForCausalLM

from trainer.flops import attention_flops, peak_flops, weight_flops


def test_a_step_costs_what_pytorch_counts(tiny_model):
    # PyTorch counts the full square of attention, of which a causal document needs half.
    tiny_model.set_attn_implementation("eager")
    ids = torch.zeros(1, 40, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        tiny_model(input_ids=ids, labels=ids).loss.backward()
    expected = 40 * weight_flops(tiny_model) + 2 * 40**2 * attention_flops(tiny_model)
    # The first layer's inputs need a gradient too, being embeddings. The rotary embedding's few are not ours.
    assert abs(counter.get_total_flops() / expected - 1) < 0.01


def test_frozen_weights_cost_no_gradient(tiny_model):
    trained = weight_flops(tiny_model)
    for parameter in tiny_model.parameters():
        parameter.requires_grad = False
    assert weight_flops(tiny_model) * 6 == trained * 4


def test_attention_is_half_of_llama_3_8b_at_one_full_document(llama_3_8b):
    with torch.device("meta"):
        model = LlamaForCausalLM(llama_3_8b)
    assert weight_flops(model) == 6 * (8_030_261_248 - 128_256 * 4096 - 65 * 4096)
    attention = 65_536 * attention_flops(model)
    assert 0.5 < attention / (attention + weight_flops(model)) < 0.55


def test_the_peak_is_of_the_device_that_is_named():
    assert peak_flops("NVIDIA H100 80GB HBM3") == peak_flops("NVIDIA H200") == 989e12
    assert peak_flops("NVIDIA H100 PCIe") == 756e12
    assert peak_flops("a CPU") is None
