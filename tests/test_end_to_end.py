"""The whole path over real sockets and processes: pocket server, client, store, builder, `datasets`.

The model is tiny and random, so these take seconds; what it writes is as strange as model output gets.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset, load_dataset

import builder  # noqa: F401  (lets load_dataset build)
from builder.config import BuildConfig
from builder.errors import UserError
from builder.llm import pocket_server
from builder.rows import BUILDABLE_CONFIGS, DEFAULT_CONFIGS, read_usage
from builder.trajectory import replay

ROOT = Path(__file__).parents[1]
CANARY = "fibonacci"  # scored at every connection, and not kept
NOISE = "# Canary "  # how the texts begin that are scored again and again, and kept
OPTIONS = {
    "validation": 0.0,
    "test": 0.0,
    "agents": {"max_thought_tokens": 24, "max_prompt_chars": 600},
    "search": {"rounds": 1, "window_tokens": 64, "num_windows": 2},
}


@pytest.fixture(scope="module")
def tiny_url(tiny_directory):
    with pocket_server(tiny_directory) as url:
        yield url


@pytest.fixture(scope="module")
def repositories(tmp_path_factory) -> list[str]:
    """Four small repositories of three files each."""
    root = tmp_path_factory.mktemp("repositories")
    for number in range(4):
        folder = root / f"project{number}" / "shapes"
        folder.mkdir(parents=True)
        (folder.parent / "README.md").write_text(f"# Project {number}\n\nAreas and more.\n")
        (folder / "__init__.py").write_text("from shapes.area import area\n\n__all__ = ['area']\n")
        (folder / "area.py").write_text(
            f"def area(width, height):\n    factor = {number}\n    return width * height * factor\n"
        )
    return [str(path) for path in sorted(root.iterdir())]


def build_command(repositories, output, url, store, **options) -> list[str]:
    config = output.parent / f"{output.name}.yaml"
    config.write_text(json.dumps({**OPTIONS, "llm": url, "store": str(store), **options}))
    program = str(Path(sys.executable).with_name("repo2agent"))
    return [program, "build", *repositories, "--config", str(config), "--output", str(output)]


def run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr


def table(output: Path, config: str) -> list[dict]:
    return Dataset.from_parquet(
        str(output / "data" / config / "train-00000-of-00001.parquet"), keep_in_memory=True
    ).to_list()


@pytest.fixture(scope="module")
def built(repositories, tiny_url, tmp_path_factory) -> Path:
    """What the command line builds from the four repositories, with a store of its own."""
    output = tmp_path_factory.mktemp("built") / "dataset"
    run(build_command(repositories, output, tiny_url, output.parent / "store.sqlite"))
    return output


def test_stock_datasets_reads_what_was_built_without_any_import_of_ours(built, tmp_path) -> None:
    code = (
        "import sys; from datasets import load_dataset\n"
        f"d = load_dataset({str(built)!r})['train']\n"
        "assert not any(name.split('.')[0] == 'builder' for name in sys.modules)\n"
        "print(len(d), d[0]['repository'], sorted(d.features))"
    )
    environment = {**os.environ, "HF_DATASETS_CACHE": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith("4 local/project0 ")


def test_the_sample_in_the_folder_is_read_in_both_ways(tmp_path) -> None:
    code = (
        "from datasets import load_dataset; d = load_dataset('./builder')['train']; "
        "print(d.features['text'], d[0]['license'])"
    )
    environment = {**os.environ, "HF_DATASETS_CACHE": str(tmp_path)}
    results = [
        subprocess.run(
            [sys.executable, "-c", prefix + code],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for prefix in ("", "import builder; ")
    ]
    assert results[0] == results[1]
    assert "Value('large_string')" in results[0]


@pytest.mark.parametrize("config", ("repo2agent-search", "repo2agent", "raw-repos"))
def test_every_built_row_replays(built, config) -> None:
    for row in table(built, config):
        contents = replay(row)
        assert set(contents) == {"README.md", "shapes/__init__.py", "shapes/area.py"}
        project = row["repository"].removeprefix("local/project")
        assert f"factor = {project}\n" in contents["shapes/area.py"]


def test_every_stored_score_is_a_score_of_the_row_token_for_token(
    built, tiny_directory, assert_scores_are_of_the_row
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_directory)
    rows = table(built, "repo2agent-search")
    assert sum(assert_scores_are_of_the_row(row, tokenizer) for row in rows) >= 4


def test_building_through_datasets_gives_the_same_rows_for_any_number_of_workers(
    built, repositories, tiny_url, tmp_path, counting_proxy
) -> None:
    another = counting_proxy(tiny_url)
    for workers in (None, 2):
        folder = tmp_path / str(workers)
        options = {**OPTIONS, "store": str(folder / "store.sqlite")}
        dataset = load_dataset(
            "./builder",
            "repo2agent-search",
            repos=repositories,
            llm=[tiny_url, another.url] if workers else tiny_url,
            build=options,
            num_proc=workers,
            cache_dir=str(folder),
        )["train"]
        assert dataset.to_list() == table(built, "repo2agent-search")


def test_the_second_load_builds_nothing_and_a_changed_file_builds_again(
    repositories, tiny_url, tmp_path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(repositories[0], copy)
    options = {**OPTIONS, "store": str(tmp_path / "store.sqlite"), "llm": tiny_url}
    cache = str(tmp_path / "cache")

    def load():
        return load_dataset("./builder", "repo2agent", repos=[str(copy)], build=options, cache_dir=cache)[
            "train"
        ]

    first = load()
    (tmp_path / "store.sqlite").unlink()  # were anything built again, it would be asked for again
    assert load().to_list() == first.to_list()
    assert not (tmp_path / "store.sqlite").exists()
    (copy / "README.md").write_text("# Another\n")
    assert load()[0]["revision"] != first[0]["revision"]


def test_it_builds_where_an_event_loop_runs_already(built, repositories, tiny_url, tmp_path) -> None:
    async def notebook() -> Dataset:
        return load_dataset(
            "./builder",
            repos=repositories[:1],
            llm=tiny_url,
            build={**OPTIONS, "store": str(tmp_path / "store.sqlite")},
            cache_dir=str(tmp_path),
        )["train"]

    assert asyncio.run(notebook()).to_list() == table(built, "repo2agent-search")[:1]


@pytest.mark.parametrize("config", BUILDABLE_CONFIGS)
def test_every_config_builds_through_datasets(config, repositories, tiny_url, tmp_path) -> None:
    options = {**OPTIONS, "store": str(tmp_path / "store.sqlite")}
    dataset = load_dataset(
        "./builder", config, repos=repositories[:1], llm=tiny_url, build=options, cache_dir=str(tmp_path)
    )["train"]
    assert len(dataset) >= 1


def test_what_no_single_repository_makes_is_not_built_through_datasets(repositories, tmp_path) -> None:
    with pytest.raises(UserError, match="left-out is made by a build of many; read a built folder"):
        load_dataset("./builder", "left-out", repos=repositories[:1], cache_dir=str(tmp_path))


def test_a_killed_build_goes_on_where_it_was(built, repositories, tiny_url, tmp_path, counting_proxy) -> None:
    proxy = counting_proxy(tiny_url)
    store = tmp_path / "store.sqlite"
    command = build_command(repositories, tmp_path / "dataset", proxy.url, store)

    def num_stored() -> int:
        with sqlite3.connect(store) as connection:
            return connection.execute("SELECT count(*) FROM answers").fetchone()[0]

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert proxy.wait_for(60, timeout=120)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = num_stored()
    assert kept >= 60 - 1 - BuildConfig().concurrency  # all but the canary and what was in flight

    proxy.requests.clear()
    run(command)
    asked = [body for body in proxy.requests if CANARY not in body]
    assert len(asked) == num_stored() - kept
    once = [body for body in asked if NOISE not in body]
    assert len(set(once)) == len(once)

    proxy.requests.clear()
    before = {config: table(tmp_path / "dataset", config) for config in DEFAULT_CONFIGS}
    run(command)
    assert not [body for body in proxy.requests if CANARY not in body]
    assert {config: table(tmp_path / "dataset", config) for config in DEFAULT_CONFIGS} == before
    assert before == {config: table(built, config) for config in DEFAULT_CONFIGS}

    # The killed one has told what it had used until its last second; one with nothing to do tells nothing.
    ends = [line["generator"] for line in read_usage(tmp_path / "dataset")]
    assert len(ends) in (1, 2)
    assert sum(end["calls"] - end["stored"] for end in ends) > 0
    assert all(end["failed"] == 0 for end in ends)
    assert any(end["scored_tokens"] > 0 for end in ends)


def test_no_path_of_this_machine_stands_in_a_row(built, repositories, tiny_directory) -> None:
    for config in DEFAULT_CONFIGS:
        rows = json.dumps(table(built, config))
        for path in (*repositories, str(tiny_directory), str(Path.home())):
            assert path not in rows
