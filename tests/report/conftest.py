"""A built dataset with searched rows, the control of chance and debugging: real code, a scripted model."""

from __future__ import annotations

import asyncio
import importlib.util
import math
from pathlib import Path

import pytest

from builder.config import BuildConfig
from builder.pipeline import Models, reconstruct
from builder.repository import load
from builder.rows import BUILDABLE_CONFIGS, write_dataset

PACKAGES = ("iniconfig", "pluggy", "outcome")
DRAFT = "```python\nfrom .gone import something\n\n\ndef surely_not_there(): ...\n```"


def opinion(tokenizer):
    """Log-probs that like each `well` in the last thought before the code a little."""

    def logprob(context, target):
        text = tokenizer.decode(context)
        thought = text.rpartition("<think>")[2].partition("</think>")[0]
        liked = 0.05 * thought.count(" well")
        return [-1.0 + liked + 0.3 * math.sin(token) for token in target]

    return logprob


def answer(messages, seed):
    if "in one code block" in messages[-1]["content"]:
        return DRAFT
    return f"I do it{' well' * (seed % 6)}, for {seed % 89} reasons."


@pytest.fixture(scope="session")
def model(scripted, bytes_tokenizer):
    """Who writes and scores."""
    return scripted(answer=answer, logprob=opinion(bytes_tokenizer), max_input_tokens=2500)


@pytest.fixture(scope="session")
def dataset(model, tmp_path_factory) -> Path:
    """Three packages, searched by a scorer that likes one word."""
    folder = tmp_path_factory.mktemp("built")
    tables: dict[str, dict[str, list]] = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.origin is not None
        repository = load(str(Path(spec.origin).parent))
        config = BuildConfig(configs=BUILDABLE_CONFIGS)
        result = asyncio.run(reconstruct(repository, Models(model, model), config, BUILDABLE_CONFIGS))
        for name in BUILDABLE_CONFIGS:
            tables.setdefault(name, {}).setdefault("train", []).extend(result.of(name))
    write_dataset(folder, tables)
    return folder
