"""The engine for any OpenAI-compatible server: it writes, and does not score.

It is also what the other engines are made of. Each of them says how it is recognised, how the log-probs of a
prompt are had from it, and what may be wrong where they are not right.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from builder.errors import UserError
from builder.llm.calls import Garbled
from builder.llm.embedded import MODEL_ID, embedded_tokenizer
from builder.llm.endpoint import Endpoint
from builder.llm.protocol import Capabilities, Message, ModelError, ModelInfo
from builder.llm.weights import revision_of

# The log-probs of a prompt by position, each with the id that the server read there. The first has none.
PromptLogprobs = list[tuple[int, float | None]]


class OpenAICompatible:
    """A ``Model`` behind ``/v1/chat/completions``.

    ``name`` is what serves the model: with model id and revision it decides how scores differ.
    ``weights`` is where the server has the model from, a directory or a Hub id. ``dtype`` is the number
    format it computes in as torch calls it, empty where it does not say. ``verified``: the server has
    compared itself with transformers.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(scores=False)
    # How a server that returns no log-probs is made to, and what may be to blame for wrong ones.
    remedy: ClassVar[str] = ""
    suspects: ClassVar[str] = ""

    def __init__(
        self,
        endpoint: Endpoint,
        info: ModelInfo,
        *,
        tokenizer: Any = None,
        name: str = "OpenAI-compatible",
        weights: str | None = None,
        dtype: str = "",
        verified: bool = False,
        chat_model: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.info = info
        self.name = name
        self.weights = weights or info.model_id
        self.dtype = dtype
        self.verified = verified
        self.usage = endpoint.usage
        self._tokenizer = tokenizer
        self._chat_model = chat_model or info.model_id

    @classmethod
    async def recognise(cls, endpoint: Endpoint, tokenizer: Any = None) -> OpenAICompatible | None:
        """The engine for what answers at ``endpoint``; None where that is something else."""
        card = await model_card(endpoint)
        if card is None:
            return None
        return cls(endpoint, await info_of(card), tokenizer=tokenizer)

    async def close(self) -> None:
        await self.endpoint.close()

    @property
    def tokenizer(self) -> Any:
        if self._tokenizer is None or isinstance(self._tokenizer, str | os.PathLike):
            self._tokenizer = load_tokenizer(self._tokenizer, self.weights)
        return self._tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    async def generate(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """See ``Model.generate``."""
        self._check_payload(sum(len(message["content"].encode()) for message in messages))

        async def ask() -> str:
            answer = await self.endpoint.client.chat_completion(
                list(messages),
                model=self._chat_model,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=seed,
            )
            text = answer.choices[0].message.content
            if not isinstance(text, str):
                raise Garbled("no text in the answer")
            if answer.usage:
                self.usage.prompt_tokens += answer.usage.prompt_tokens
                self.usage.generated_tokens += answer.usage.completion_tokens
            return text

        return await self.endpoint.caller.call("/v1/chat/completions", ask)

    async def score(self, context: Sequence[int], target: Sequence[int]) -> list[float]:
        """See ``Model.score``. Raises ``ModelError`` where the server's ids are not the ones given."""
        if not context:
            raise ValueError("a score needs a context of at least one token")
        self._check_capable()
        if not target:
            return []
        ids = [*context, *target]
        longest = self.info.max_input_tokens
        if longest and len(ids) > longest:
            raise ModelError(f"a prompt of {len(ids)} tokens is beyond the server's {longest}")
        path, prompt_logprobs = self._scoring(ids)

        async def ask() -> PromptLogprobs:
            prompt = await prompt_logprobs()
            for position, (_, logprob) in enumerate(prompt[len(context) :]):
                if not isinstance(logprob, int | float) or not math.isfinite(logprob):
                    raise Garbled(f"log-prob {position} of the target is {logprob}")
            return prompt

        prompt = await self.endpoint.caller.call(path, ask)
        if not prompt:
            raise UserError(
                f"{self.endpoint.url}: the server returns no log-probs of the prompt; {self.remedy}"
            )
        _check_ids(ids, [token for token, _ in prompt], self.tokenizer)
        self.usage.scored_tokens += len(ids)
        return [float(logprob) for _, logprob in prompt[len(context) :] if logprob is not None]

    async def check_setup(self) -> None:
        """Raises ``UserError`` for a server that cannot score, or is set up so that its scores are wrong."""
        self._check_capable()

    def _scoring(self, ids: list[int]) -> tuple[str, Callable[[], Awaitable[PromptLogprobs]]]:
        """The route that scores, and one request to it. Raises ``ModelError`` for ids it cannot take."""
        raise NotImplementedError

    def _check_capable(self) -> None:
        if not self.capabilities.scores:
            raise UserError(
                f"{self.endpoint.url}: this server writes but gives no log-probs of a prompt; name TGI (with "
                "--enable-prefill-logprobs), vLLM or `repo2agent serve` as scorer=http://…"
            )

    def _check_payload(self, num_bytes: int) -> None:
        most = self.capabilities.max_payload
        if most is not None and num_bytes > most:
            raise ModelError(f"a request of {num_bytes} bytes is beyond the server's {most}")


async def model_card(endpoint: Endpoint) -> dict[str, Any] | None:
    """The first model of ``/v1/models``; None where that is not what an OpenAI-compatible server says."""
    models = await endpoint.get("/v1/models")
    try:
        card = models["data"][0]
        return card if isinstance(card["id"], str) else None
    except (TypeError, LookupError):
        return None


async def info_of(card: dict[str, Any]) -> ModelInfo:
    """What a model's card says; zeros where it names no window."""
    total = card.get("max_model_len")
    total = total if isinstance(total, int) else 0
    revision = await asyncio.to_thread(revision_of, card.get("root") or card["id"])
    return ModelInfo(card["id"], revision, max(total - 1, 0), total)


def _check_ids(sent: list[int], returned: list[int], tokenizer: Any) -> None:
    if sent == returned:
        return
    at = next(
        (at for at, (mine, theirs) in enumerate(zip(sent, returned, strict=False)) if mine != theirs),
        min(len(sent), len(returned)),
    )
    around = tokenizer.decode(sent[max(0, at - 3) : at + 3])
    raise ModelError(
        f"the server read other tokens: ids part at position {at} of {len(sent)} ({len(returned)} "
        f"came back), near {around!r}"
    )


def load_tokenizer(source: Any, model_id: str) -> Any:
    """The tokenizer at ``source`` (None: that of ``model_id``). Raises ``UserError``."""
    if source is None and model_id == MODEL_ID:
        try:
            return embedded_tokenizer()
        except UserError:
            pass  # served from elsewhere to a machine that does not have it; the Hub has its tokenizer
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(source or model_id)
    except Exception as error:  # offline, gated, unknown class, broken file: the way out is the same
        raise UserError(
            f"{source or model_id}: no tokenizer can be loaded ({str(error).splitlines()[0]}); "
            "give its directory or id as tokenizer=…"
        ) from error
