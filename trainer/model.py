"""The model's name, window, rotary base and threads: settled before any weight is loaded."""

from __future__ import annotations

import os
from typing import Any

import torch

from builder import UserError

EMBEDDED = "embedded"


def model_path(name: str | None) -> str:
    """``name`` as ``from_pretrained`` takes it; ``"embedded"`` is the model that repo2agent brings along."""
    if not name:
        raise UserError("no model given; set `model_name_or_path` to a path, a Hub id, or `embedded`")
    if name != EMBEDDED:
        return name
    from builder import embedded_model

    return str(embedded_model())


def load_config_and_tokenizer(path: str, **hub: Any) -> tuple[Any, Any]:
    """The model's configuration and tokenizer, without its weights; ``UserError`` where there are none."""
    from transformers import AutoConfig, AutoTokenizer

    try:
        return AutoConfig.from_pretrained(path, **hub), AutoTokenizer.from_pretrained(path, **hub)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} is no model that transformers can read: {str(error).splitlines()[0]} "
            "Set `model_name_or_path` to a path, a Hub id, or `embedded`"
        ) from error


def window_kwargs(config: Any, window: int, rope_theta: float | None) -> dict[str, Any]:
    """What ``from_pretrained`` needs so that ``config``'s model reads ``window`` tokens.

    Raises ``UserError`` where the window is larger than the model's and no ``rope_theta`` says how.
    """
    kwargs: dict[str, Any] = {}
    longest = config.get_text_config().max_position_embeddings
    if window > longest:
        if rope_theta is None:
            raise UserError(
                f"max_length is {window}, but the model was made for {longest} positions; "
                f"set `rope_theta` as well, or lower `max_length`"
            )
        kwargs["max_position_embeddings"] = window
    if rope_theta is not None:
        # As a plain `rope_theta` it would be ignored without a word.
        kwargs["rope_parameters"] = {"rope_type": "default", "rope_theta": rope_theta}
    return kwargs


def check_rope(model: Any, theta: float) -> None:
    """Raise ``RuntimeError`` unless every rotary embedding of ``model`` turns with base ``theta``."""
    frequencies = [buffer for name, buffer in model.named_buffers() if name.endswith("inv_freq")]
    if not frequencies:
        raise UserError("`rope_theta` is set, but this model has no rotary embedding")
    for inv_freq in frequencies:
        exponents = torch.arange(len(inv_freq), device=inv_freq.device) / len(inv_freq)
        if not torch.allclose(inv_freq.float(), theta**-exponents, rtol=1e-4):
            raise RuntimeError(f"rope_theta {theta:g} did not take effect")


def use_all_cores() -> None:
    """Share this machine's cores out to its processes, unless ``OMP_NUM_THREADS`` says more than one."""
    if os.environ.get("OMP_NUM_THREADS", "1") == "1":
        num_cores = len(os.sched_getaffinity(0))
        torch.set_num_threads(max(1, num_cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
