"""The model that is evaluated: loaded once, shared by all measures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from builder import UserError
from trainer.model import EMBEDDED, load_config_and_tokenizer, model_path

_WEIGHTS = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class EvaluatedModel:
    """A causal model in evaluation mode, with its tokenizer.

    Attributes:
        name: As it stands in results: ``embedded``, a Hub id, or the last part of a path.
        revision: What tells its weights from others of the same name; None where nothing does.
        window: Tokens that it reads at once.
        path: Where it was loaded from; stands in no result.
    """

    model: Any
    tokenizer: Any
    name: str
    revision: str | None
    window: int
    path: str

    @property
    def device(self) -> torch.device:
        return self.model.device

    def describe(self) -> dict[str, Any]:
        """``model`` of the results."""
        num_parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return {"name": self.name, "revision": self.revision, "num_parameters": num_parameters}

    def environment(self) -> dict[str, str | None]:
        """``environment`` of the results: what else decides the last digits."""
        cuda = self.device.type == "cuda"
        return {
            **{name: _version(name) for name in ("torch", "transformers", "lm_eval")},
            "device": torch.cuda.get_device_name(self.device) if cuda else self.device.type,
            "dtype": str(self.model.dtype).removeprefix("torch."),
        }


def load_model(name: str | None, dtype: str = "auto", hub_revision: str | None = None) -> EvaluatedModel:
    """Load ``name`` (a path, a Hub id, or ``embedded``) onto the GPUs that there are, else the CPU.

    ``dtype`` ``auto`` is that of the checkpoint; on a CPU always float32, where halves are slow.
    Raises ``UserError`` where it cannot be loaded.
    """
    from transformers import AutoModelForCausalLM

    if dtype != "auto" and not isinstance(getattr(torch, dtype, None), torch.dtype):
        raise UserError(f"no dtype {dtype}; there are auto, float32, bfloat16 and float16")
    path = model_path(name)
    config, tokenizer = load_config_and_tokenizer(path, revision=hub_revision)
    cuda = torch.cuda.is_available()
    if dtype == "auto" and not cuda:
        dtype = "float32"
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path, revision=hub_revision, dtype=dtype, device_map="auto" if cuda else None
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{name} cannot be loaded: {str(error).splitlines()[0]}") from error
    local = Path(path).is_dir()
    return EvaluatedModel(
        model.eval(),
        tokenizer,
        name=Path(path).resolve().name if local and name != EMBEDDED else str(name),
        revision=_digest(Path(path)) if local else getattr(config, "_commit_hash", None),
        window=config.get_text_config().max_position_embeddings,
        path=path,
    )


def _digest(folder: Path) -> str:
    """A hash over the files that decide what a local model computes."""
    names = {path for pattern in (*_WEIGHTS, "*.json") for path in folder.glob(pattern)}
    digest = hashlib.sha256()
    with tqdm(
        total=sum(path.stat().st_size for path in names), unit="B", unit_scale=True, desc="Hashing", delay=5
    ) as bar:
        for path in sorted(names, key=lambda path: path.name):
            digest.update(path.name.encode() + b"\0")
            with path.open("rb") as stream:
                while block := stream.read(1 << 24):
                    digest.update(block)
                    bar.update(len(block))
    return digest.hexdigest()[:12]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
