"""The engine for text-generation-inference and whatever speaks like it, the pocket server included.

Log-probs come from ``/generate`` with ``decoder_input_details``. It takes text only, so that the ids it
answers with are compared with those that were meant. The answer is read from the JSON itself:
``huggingface_hub``'s client makes an object of each token of a prompt and copies it twice, ten times the work
of all the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from builder.llm.calls import CONCURRENCY
from builder.llm.endpoint import Endpoint
from builder.llm.openai import OpenAICompatible, PromptLogprobs
from builder.llm.protocol import Capabilities, ModelError, ModelInfo
from builder.llm.weights import revision_of


class TGI(OpenAICompatible):
    """A ``Model`` behind a server that answers ``/info``."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        scores=True,
        max_payload=2_000_000,  # TGI's default limit for a body
    )
    remedy = "start it with --enable-prefill-logprobs"
    suspects = "start it without --quantize, with the --revision that lies here"

    @classmethod
    async def recognise(cls, endpoint: Endpoint, tokenizer: Any = None) -> TGI | None:
        info = await endpoint.get("/info")
        if not isinstance(info, dict) or "model_id" not in info:
            return None
        model_id = str(info["model_id"])
        total = int(info.get("max_total_tokens") or 0)
        revision = str(info.get("model_sha") or "") or await asyncio.to_thread(revision_of, model_id)
        endpoint.caller.limit(int(info.get("max_concurrent_requests") or CONCURRENCY))
        # Numeric noise is a matter of the server's version, its number format and its device.
        known = ("router", "version", "model_dtype", "model_device_type")
        return cls(
            endpoint,
            ModelInfo(model_id, revision, int(info.get("max_input_tokens") or max(total - 1, 0)), total),
            tokenizer=tokenizer,
            name=" ".join(str(info[key]) for key in known if info.get(key)),
            dtype=str(info.get("model_dtype") or "").removeprefix("torch."),
            # The pocket server starts only where its log-probs are transformers' own.
            verified=info.get("router") == "pocket",
            chat_model="tgi",
        )

    def _scoring(self, ids: list[int]) -> tuple[str, Callable[[], Awaitable[PromptLogprobs]]]:
        text = self._text_of(ids)
        self._check_payload(len(text.encode()))
        parameters = {"details": True, "decoder_input_details": True, "max_new_tokens": 1}

        async def ask() -> PromptLogprobs:
            answer = await self.endpoint.post("/generate", {"inputs": text, "parameters": parameters})
            return [(token["id"], token["logprob"]) for token in answer["details"]["prefill"]]

        return "/generate", ask

    def _text_of(self, ids: list[int]) -> str:
        prefix = self.tokenizer("")["input_ids"]
        if ids[: len(prefix)] != prefix:
            raise ModelError(f"the context does not begin with the tokenizer's own prefix {prefix}")
        return self.tokenizer.decode(
            ids[len(prefix) :], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
