"""The engine for vLLM: ids go out, and the log-probs of exactly these ids come back.

They come from ``/v1/completions`` with ``prompt_logprobs``, which ``huggingface_hub``'s client does not know.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from builder.errors import UserError
from builder.llm.endpoint import Endpoint
from builder.llm.openai import OpenAICompatible, PromptLogprobs, info_of, model_card
from builder.llm.protocol import Capabilities

MINUS_INFINITY = -9999.0  # what vLLM writes for it, since JSON cannot
logger = logging.getLogger(__name__)


class VLLM(OpenAICompatible):
    """A ``Model`` behind a server whose models are ``owned_by`` vLLM."""

    capabilities: ClassVar[Capabilities] = Capabilities(scores=True, takes_ids=True)
    remedy = "vLLM's own /v1/completions gives them for prompt_logprobs=0; ask it without a proxy between"
    suspects = "start it without --quantization and --logprobs-mode, with the --revision that lies here"

    @classmethod
    async def recognise(cls, endpoint: Endpoint, tokenizer: Any = None) -> VLLM | None:
        card = await model_card(endpoint)
        if card is None or card.get("owned_by") != "vllm":
            return None
        said = await endpoint.get("/version")
        version = said.get("version", "") if isinstance(said, dict) else ""
        # The name that is served may be any; where the weights came from stands beside it.
        return cls(
            endpoint,
            await info_of(card),
            tokenizer=tokenizer,
            name=f"vllm {version}".strip(),
            weights=card.get("root"),
        )

    async def check_setup(self) -> None:
        """See ``OpenAICompatible.check_setup``. Warns of what may make scores depend on their company.

        Seen where the server has metrics; ``--disable-log-stats`` takes them away.
        """
        metrics = await self.endpoint.get_text("/metrics")
        if "vllm:spec_decode_" in metrics:
            raise UserError(
                f"{self.endpoint.url}: with speculative decoding vLLM gives wrong log-probs for some prompts "
                "(vllm#53488); start it without --speculative-config"
            )
        if 'enable_prefix_caching="True"' in metrics:
            logger.warning(
                "%s: with prefix caching vLLM's scores may depend on the order of requests (vllm#42019); "
                "start it with --no-enable-prefix-caching to be sure",
                self.endpoint.url,
            )

    def _scoring(self, ids: list[int]) -> tuple[str, Callable[[], Awaitable[PromptLogprobs]]]:
        body = {
            "model": self._chat_model,
            "prompt": ids,
            "prompt_logprobs": 0,  # none but the prompt's own
            "max_tokens": 1,
            "temperature": 0,
            "return_token_ids": True,
        }

        async def ask() -> PromptLogprobs:
            answer = await self.endpoint.post("/v1/completions", body)
            # Covers number format, quantisation and parallelism, of which vLLM tells nothing else.
            self.name = answer.get("system_fingerprint") or self.name
            return _read(answer["choices"][0], ids)

        return "/v1/completions", ask


def _read(choice: dict[str, Any], sent: list[int]) -> PromptLogprobs:
    # Older versions do not repeat the ids; the keys of the log-probs name all but the first.
    ids = choice.get("prompt_token_ids") or sent
    prompt: PromptLogprobs = []
    for token, entry in zip(ids, choice.get("prompt_logprobs") or (), strict=False):
        if entry is None:
            prompt.append((token, None))
            continue
        (key,) = [str(token)] if str(token) in entry else entry
        logprob = entry[key]["logprob"]
        prompt.append((int(key), None if logprob == MINUS_INFINITY else logprob))
    return prompt
