"""Who would answer, and with which tokenizer; no model is asked for anything."""

from __future__ import annotations

import json
from typing import Any

from builder.errors import UserError
from builder.llm.connection import connect
from builder.llm.embedded import MODEL_ID, embedded_model, embedded_revision
from builder.llm.openai import load_tokenizer
from builder.llm.protocol import ModelInfo

_WINDOW = 8192  # where neither server nor tokenizer names one
_ENDLESS = 10**9  # what a tokenizer says that knows no window


async def describe(url: str | list[str] | None, tokenizer: Any = None) -> tuple[ModelInfo, Any, str]:
    """The model at ``url`` (None: the embedded one), its tokenizer, and a note where something is assumed.

    Where no server answers yet, ``tokenizer`` (a path or Hub id) stands for it. Raises ``UserError``.
    """
    if url is None:
        window = json.loads((embedded_model() / "config.json").read_text())["max_position_embeddings"]
        info = ModelInfo(MODEL_ID, embedded_revision(), window, window)
        return info, load_tokenizer(tokenizer, MODEL_ID), ""
    try:
        async with connect(url, tokenizer=tokenizer) as connection:
            return connection.info, connection.tokenizer, ""
    except UserError as error:
        if tokenizer is None:
            raise UserError(f"{error}; its tokenizer alone is enough to plan: --tokenizer …") from error
        loaded = load_tokenizer(tokenizer, str(tokenizer))
        window = loaded.model_max_length if loaded.model_max_length < _ENDLESS else _WINDOW
        note = f"no server answers at {url}: {tokenizer} stands for it, with a window of {window} tokens"
        return ModelInfo(str(tokenizer), "", window, window), loaded, note
