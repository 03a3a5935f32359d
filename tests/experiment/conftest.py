"""Small projects, rows that a fake server wrote for them, and a model of a few thousand random weights."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from fake_tgi import running

from builder.rows import split_of

TEST = 0.4  # the share that is held out
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath")


def write_project(folder: Path, word: str) -> Path:
    """A project of three modules, one of which imports the others; no two projects have like code."""
    root = folder / word
    root.mkdir(parents=True)
    dice = random.Random(word)
    for part in range(2):
        (root / f"{word}_{part}.py").write_text(
            f'"""Part {part} of {word}."""\n\n\ndef {word}{part}(rows, size):\n'
            f'    """What {word} makes of rows."""\n' + "".join(body(dice, 28)) + "    return size\n"
        )
    (root / "whole.py").write_text(
        f'"""All of {word}."""\n\nfrom {word}_0 import {word}0\nfrom {word}_1 import {word}1\n\n\n'
        f"def all_{word}(rows, size):\n    rows = {word}0(rows, {word}1(rows, {len(word)}))\n"
        + "".join(body(dice, 14))
        + "    return rows\n"
    )
    (root / "README.md").write_text(f"# {word}\n\nTakes tables and makes {word} of them.\n")
    return root


def body(dice: random.Random, num_lines: int) -> Iterator[str]:
    """Lines of a function that nobody would write twice."""
    depth = 1
    for line in range(num_lines):
        first, second = dice.sample(["+", "-", "*", "//", "%", "|", "&", "^", "<<"], 2)
        shape = dice.randrange(7)
        opens = shape < 3 and line + 1 < num_lines
        yield (
            "    " * depth
            + (
                (f"if size {first} {line} > rows[{line}]:", "for size in rows:", "while rows.pop():")[
                    shape % 3
                ]
                if opens
                else (
                    f"size = rows[{line}] {first} size {second} {line}",
                    f"rows.append((size {first} {line}, rows))",
                    f"assert size {first} {line}, rows[{line}:{line} {second} size]",
                    f"del rows[size {second} {line}]",
                )[shape % 4]
            )
            + "\n"
        )
        depth = depth + 1 if opens else dice.randint(1, depth)


def side_of(project: Path) -> str:
    """The side of the split on which a project falls."""
    from builder.repository import identify

    return split_of(identify(str(project)), 0.0, TEST)


@pytest.fixture(scope="session")
def projects(tmp_path_factory) -> list[Path]:
    """Projects of which some are held out and some are not."""
    folder = tmp_path_factory.mktemp("projects")
    found = [write_project(folder, word) for word in WORDS]
    assert {side_of(project) for project in found} == {"train", "test"}
    return found


@pytest.fixture(scope="session")
def model(bytes_tokenizer, tmp_path_factory) -> Path:
    """A random Llama with the tokenizer of bytes."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("model") / "random"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(bytes_tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        bos_token_id=bytes_tokenizer.bos_token_id,
        eos_token_id=bytes_tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    bytes_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def server(model) -> Iterator[str]:
    """The URL of a fake TGI."""
    with running(model / "tokenizer.json", "--max_input_tokens", "4000") as url:
        yield url


@pytest.fixture(scope="session")
def miniature(projects, model, server, tmp_path_factory) -> Callable[..., Path]:
    """``miniature(**options)``: the file of an experiment that takes seconds, with ``options`` in it."""
    folder = tmp_path_factory.mktemp("miniature")
    suite = {
        "name": "miniature",
        "defaults": {"reconstruction": {"window": 512, "target_tokens": 256}},
        "measures": [{"measure": "reconstruction", "context": "dependencies"}],
    }
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    settings = {
        "name": "miniature",
        "shows": "Nothing but that it runs.",
        "model": str(model),
        "arms": ["base", "raw-repos"],
        "corpus": {
            "repositories": [str(project) for project in projects],
            "build": {
                "llm": server,
                "tokenizer": str(model),
                "store": str(folder / "answers.sqlite"),
                "validation": 0.0,
                "test": TEST,
                "search": {"rounds": 1, "margin": 1e-4},
            },
        },
        "training": {
            "tokens": 3000,
            "config": "configs/cpt/smollm2_cpu.yaml",
            "options": {"max_length": 256},
            "checkpoints": 1,
        },
        "evaluation": {"suites": [str(folder / "suite.yaml")]},
    }

    def give(**options: object) -> Path:
        path = folder / f"{abs(hash(str(options)))}.yaml"
        path.write_text(yaml.safe_dump({**settings, **options}))
        return path

    return give


@pytest.fixture(scope="session")
def built(projects, server, model, tmp_path_factory) -> Path:
    """The projects as a built dataset."""
    from builder.cli import main

    folder = tmp_path_factory.mktemp("built")
    options = {
        "output": folder / "dataset",
        "llm": server,
        "tokenizer": model,
        "store": folder / "answers.sqlite",
        "validation": 0.0,
        "test": TEST,
        "search.rounds": 1,
        "search.margin": 1e-4,
        "configs": '["raw-repos", "repo2agent", "repo2agent-search", "search-log"]',
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    main(["build", *map(str, projects), *words])
    return folder / "dataset"
