"""A built dataset of several repositories in many shards, and a Hub to push it to."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hub_server import TOKEN, HubServer

from builder.config import BuildConfig
from builder.pipeline import Models, reconstruct
from builder.repository import SkippedFile
from builder.rows import BUILDABLE_CONFIGS, LEFT_OUT, features_of

REPOSITORIES = 5
DRAFT = "```python\nfrom .gone import something\n\n\ndef surely_not_there(): ...\n```"
LICENSES = ("MIT", "MIT OR Apache-2.0", "BSD-3-Clause", "GPL-3.0-or-later", "MIT")


def _write_shards(folder: Path, config: str, split: str, rows: list[dict[str, Any]], size: int) -> None:
    """Rows in shards of ``size``, in row groups of fewer."""
    from datasets import Dataset

    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    for number, part in enumerate(parts):
        path = folder / "data" / config / f"{split}-{number:05d}-of-{len(parts):05d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_list(part, features=features_of(config)).to_parquet(str(path), batch_size=3)


@pytest.fixture(scope="session")
def write_shards() -> Callable[..., None]:
    """``write_shards(folder, config, split, rows, size)``."""
    return _write_shards


@pytest.fixture(scope="session")
def shards(make_repository, scripted, bytes_tokenizer, tmp_path_factory) -> Path:
    """Small repositories with all configs, two splits, and several repositories left out."""

    def answer(messages, seed):
        if "in one code block" in messages[-1]["content"]:
            return DRAFT
        return f"I do it{' well' * (seed % 6)}, for {seed % 89} reasons."

    def logprob(context, target):
        thought = bytes_tokenizer.decode(context).rpartition("<think>")[2].partition("</think>")[0]
        return [-1.0 + 0.05 * thought.count(" well") + 0.3 * math.sin(token) for token in target]

    model = scripted(answer=answer, logprob=logprob, max_input_tokens=2500)
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number in range(REPOSITORIES):
        contents = {
            "README.md": f"# Shapes {number}\n",
            "area.py": f"import math\n\n\ndef circle(radius):\n    return math.pi * radius**{number}\n",
            "report.py": "from area import circle\n\n\ndef report(radii):\n    return circle(sum(radii))\n",
            "run.sh": f"echo {number}\n",
        }
        redactions = {}
        if number == 2:
            contents["README.md"] = "# Ann [REDACTED:email]\n"
            redactions["README.md"] = ((6, 22),)
        made = make_repository(contents, LICENSES[number], **redactions)
        skipped = [SkippedFile("dist/", "build artefact"), SkippedFile("a.bin", "binary")][: number % 3]
        if number > 2:
            skipped += [SkippedFile(f"solution{n}.py", f"benchmark HumanEval/{n}") for n in range(number)]
        repository = replace(
            made, identity=f"local/made|{number}", revision=str(number), skipped=tuple(skipped)
        )
        work = reconstruct(repository, Models(model, model), BuildConfig(), BUILDABLE_CONFIGS)
        found = asyncio.run(work)
        for config in BUILDABLE_CONFIGS:
            rows.setdefault((config, "test" if number == 3 else "train"), []).extend(found.of(config))
    folder = tmp_path_factory.mktemp("shards")
    for (config, split), part in rows.items():
        _write_shards(folder, config, split, part, 25 if config == "search-log" else 2)
    reasons = ["license", "size", "license", "near-duplicate", "benchmark", "license", "opt-out"]
    left_out = [
        {"repository": f"local/out{n}", "revision": "", "license": "", "reason": reason, "detail": "as it is"}
        for n, reason in enumerate(reasons)
    ]
    _write_shards(folder, LEFT_OUT, "train", left_out, 4)
    return folder


@pytest.fixture
def folder(shards, tmp_path) -> Path:
    """A copy of ``shards`` with a build's other leftovers, for a test to change."""
    place = tmp_path / "built"
    shutil.copytree(shards, place)
    (place / "build.yaml").write_text("seed: 0\nsearch:\n  rounds: 3\n")
    (place / "usage.jsonl").write_text("{}\n")
    (place / ".build").mkdir()
    (place / ".build" / "state.parquet").write_bytes(b"not a row")
    return place


@pytest.fixture
def hub(monkeypatch) -> Iterator[Any]:
    """A running Hub that this process talks to, without a wait between a client's tries."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    server = HubServer()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: None))
    yield server
    server.close()
    _http.close_session()


@pytest.fixture
def published() -> Callable[[Path], dict[str, bytes]]:
    """``published(folder)``: what of a built folder belongs on the Hub."""

    def files(folder: Path) -> dict[str, bytes]:
        beside = [folder / name for name in ("README.md", "LICENSE.md", "build.yaml", "plots/search.png")]
        places = [*sorted(folder.glob("data/*/*.parquet")), *filter(Path.exists, beside)]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in places}

    return files
