"""Small projects, a model server that answers each request alike, and what a calm build makes of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_tgi import running

from builder.cli import main

NUM_PROJECTS = 24
PER_SHARD = 5


def write_project(folder: Path, number: int) -> Path:
    """A project of two or three files, one of which imports the others."""
    root = folder / f"project{number:04}"
    root.mkdir(parents=True)
    word = "abcdefghijklmnopqrstuvwxyz"[number % 26] * (2 + number // 26)
    for part in range(1 + number % 2):
        body = "\n".join(
            f"    {word}_{number}_{line} = values[{line}] * {number + line}" for line in range(4 + number % 5)
        )
        (root / f"part{part}.py").write_text(
            f'"""Part {part} of {word}."""\n\n\ndef {word}{part}(values):\n'
            f'    """What {word} makes of values."""\n{body}\n    return {word}_{number}_0\n'
        )
    (root / "whole.py").write_text(
        f'"""All of {word}."""\n\nfrom part0 import {word}0\n\n\ndef all_{word}(rows):\n'
        f"    return [{word}0(row) for row in rows if len(row) > {number}]\n"
    )
    return root


@pytest.fixture(scope="session")
def projects(tmp_path_factory) -> Path:
    """The folder of ``NUM_PROJECTS`` projects."""
    folder = tmp_path_factory.mktemp("projects")
    for number in range(NUM_PROJECTS):
        write_project(folder, number)
    return folder


@pytest.fixture(scope="session")
def tokenizer_directory(bytes_tokenizer, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("tokenizer")
    bytes_tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def server(tokenizer_directory) -> Iterator[str]:
    """The URL of a fake TGI."""
    with running(tokenizer_directory / "tokenizer.json", "--max_input_tokens", "4000") as url:
        yield url


@pytest.fixture(scope="session")
def arguments(server, projects, tokenizer_directory) -> Callable[..., list[str]]:
    """``arguments(folder, **options)``: what follows ``repo2agent``; rows and answers lie in ``folder``."""

    def give(folder: Path, *more: str, source: str | None = None, output: str | None = None) -> list[str]:
        options = {
            "llm": server,
            "tokenizer": str(tokenizer_directory),
            "store": str(folder / "answers" / "store.sqlite"),
            "output": output or str(folder / "built"),
            "repositories_per_shard": str(PER_SHARD),
            "search.rounds": "1",
            "search.margin": "0.0001",
            "select.near_duplicates": "0",
            "validation": "0.2",
        }
        return ["build", source or f"{projects}/*", *(f"--{k}={v}" for k, v in options.items()), *more]

    return give


@pytest.fixture(scope="session")
def calm(arguments, tmp_path_factory) -> Path:
    """The folder of a build that nothing disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    main(arguments(folder))
    return folder / "built"


def files(built: Path) -> dict[str, bytes]:
    """Every parquet file of a built folder, by its name."""
    return {path.relative_to(built).as_posix(): path.read_bytes() for path in built.glob("data/*/*.parquet")}
