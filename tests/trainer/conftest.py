"""Rows made by hand, a tokenizer made on the spot, and models of a few thousand weights. No network."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

# What a span of each role looks like: enough to learn in a few steps.
TEXTS = {
    "requirement": "A small library that adds numbers.\n",
    "plan": "pkg/a.py: adds two numbers\n",
    "think": "The file needs one function that returns the sum.\n",
    "observation": "def add(a, b):\n    return a + b\n",
    "code": "def twice(x):\n    return add(x, x)\n\n\ndef thrice(x):\n    return add(x, twice(x))\n",
}
LOSS_ROLES = {"requirement", "plan", "think", "code"}


def make_row(parts: Sequence[tuple[str, str]], segments: Sequence[tuple[int, int]] = ()) -> dict:
    """A row whose spans are ``parts``, pairs of role and text. The first span is the preamble.

    ``segments`` are half-open ranges of span numbers; the plan lines of each are the second span.
    """
    spans = []
    position = 0
    for step, (role, text) in enumerate(parts):
        end = position + len(text)
        spans.append(
            {
                "start": position,
                "end": end,
                "role": role,
                "loss": role in LOSS_ROLES,
                "step": step,
                "content": True,
            }
        )
        position = end

    def chars(first: int, last: int) -> dict[str, int]:
        return {"start": spans[first]["start"], "end": spans[last - 1]["end"]}

    return {
        "text": "".join(text for _, text in parts),
        "spans": spans,
        "segments": [
            {**chars(first, last), "path": f"{first}.py", "plan": [chars(1, 2)]} for first, last in segments
        ],
        "preamble": chars(0, 1) if parts else {"start": 0, "end": 0},
    }


def trajectory_row(num_files: int = 2) -> dict:
    """A row in the order of a trajectory: requirement, plan, then thought, read and code of each file."""
    parts = [(role, TEXTS[role]) for role in ("requirement", "plan")]
    for _ in range(num_files):
        parts += [(role, TEXTS[role]) for role in ("think", "observation", "code")]
    return make_row(parts, [(2 + 3 * number, 5 + 3 * number) for number in range(num_files)])


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE with an EOS and no BOS, as SmolLM2 has it."""
    return byte_level_bpe()


@pytest.fixture(scope="session")
def bos_tokenizer() -> PreTrainedTokenizerFast:
    """The same with a BOS in front of every text, as Llama-3 has it."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = byte_level_bpe()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.convert_tokens_to_ids("<bos>"))]
    )
    return tokenizer


def byte_level_bpe() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<eos>", "<bos>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(list(TEXTS.values()), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<eos>", bos_token="<bos>", pad_token="<pad>"
    )


@pytest.fixture
def tiny_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return random_llama(tokenizer)


def random_llama(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A random Llama with grouped queries, the same one each time."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    return LlamaForCausalLM(config)


@pytest.fixture(scope="session")
def llama_3_8b():
    """The exact shape of Llama-3-8B."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    )
