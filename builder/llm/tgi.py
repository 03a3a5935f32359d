"""The engine for text-generation-inference and whatever speaks like it, the pocket server included.

Text comes from ``/v1/chat/completions``, which every OpenAI-compatible server has; log-probs come from
TGI's ``/generate`` with ``decoder_input_details``. Answers are read from the JSON itself: huggingface_hub's
client makes an object of each token of a prompt and copies it twice, ten times the work of all the rest.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from builder.errors import UserError
from builder.llm.calls import CONCURRENCY, PATIENCE, Caller, Garbled
from builder.llm.embedded import MODEL_ID, embedded_tokenizer
from builder.llm.protocol import Message, ModelError, ModelInfo
from builder.llm.usage import Usage

TIMEOUT = 600.0  # seconds that one answer may take at most; `Breaker.time_limit` goes by the others' time
CONNECTING = 10.0  # seconds: a machine that is gone refuses nothing, it keeps silent
MAX_PAYLOAD = 2_000_000  # bytes of text: TGI's default limit for a body
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
CANARY = "def fibonacci(n: int) -> int:\n    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)\n"


class TGI:
    """A ``Model`` behind ``url``. Open it with ``TGI.open``; ``close`` it in the same event loop."""

    def __init__(
        self,
        url: str,
        *,
        tokenizer: Any = None,
        concurrency: int | None = None,
        api_key: str | None = None,
        patience: float = PATIENCE,
        timeout: float = TIMEOUT,
    ) -> None:
        import httpx2

        if not url.startswith(("http://", "https://")):
            raise UserError(f"{url}: not a server's address; give it as http://host:port")
        self.url = url.rstrip("/").removesuffix("/v1")
        self.name = ""  # what serves the model, as far as the server says
        self.usage = Usage()
        self._tokenizer = tokenizer
        self._info: ModelInfo | None = None
        self._caller = Caller(
            self.url, self.usage, concurrency=concurrency, patience=patience, probe=self._probe
        )
        api_key = api_key or os.environ.get("REPO2AGENT_API_KEY")
        self._timeout = httpx2.Timeout(timeout, connect=min(CONNECTING, timeout))
        self._http = httpx2.AsyncClient(
            base_url=self.url,
            headers={"authorization": f"Bearer {api_key}" if api_key else ""},
            timeout=30.0,
            follow_redirects=True,
            limits=httpx2.Limits(max_connections=None),
            # A server on this very machine is not reached through the proxy of the environment.
            trust_env=httpx2.URL(self.url).host not in LOOPBACK,
        )

    @classmethod
    async def open(cls, url: str, **options: Any) -> TGI:
        """Reach the server and learn what it serves. Options are the constructor's."""
        engine = cls(url, **options)
        try:
            await engine._introduce()
        except BaseException:
            await engine.close()
            raise
        return engine

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def info(self) -> ModelInfo:
        if self._info is None:
            raise ValueError("not open yet: use TGI.open")
        return self._info

    @property
    def tokenizer(self) -> Any:
        if self._tokenizer is None or isinstance(self._tokenizer, str | os.PathLike):
            self._tokenizer = _load_tokenizer(self._tokenizer, self.info.model_id)
        return self._tokenizer

    async def generate(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """See ``Model.generate``."""
        self._check_payload(sum(len(message["content"].encode()) for message in messages))

        request = {
            "messages": list(messages),
            "model": self._chat_model,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "stream": False,
        }

        async def ask() -> str:
            answer = await self._post("/v1/chat/completions", request)
            text = answer["choices"][0]["message"]["content"]
            if not isinstance(text, str):
                raise Garbled("no text in the answer")
            if usage := answer.get("usage"):
                self.usage.prompt_tokens += usage["prompt_tokens"]
                self.usage.generated_tokens += usage["completion_tokens"]
            return text

        return await self._caller.call("/v1/chat/completions", ask)

    async def score(self, context: Sequence[int], target: Sequence[int]) -> list[float]:
        """See ``Model.score``. Raises ``ModelError`` where the server's ids are not the ones given."""
        ids = [*context, *target]
        if not context:
            raise ValueError("a score needs a context of at least one token")
        if not target:
            return []
        text = self._text_of(ids)
        self._check_payload(len(text.encode()))

        parameters = {"details": True, "decoder_input_details": True, "max_new_tokens": 1}

        async def ask() -> list[Any]:
            answer = await self._post("/generate", {"inputs": text, "parameters": parameters})
            prefill = [(token["id"], token["logprob"]) for token in answer["details"]["prefill"]]
            for position, (_, logprob) in enumerate(prefill[len(context) :]):
                if not isinstance(logprob, int | float) or not math.isfinite(logprob):
                    raise Garbled(f"log-prob {position} of the target is {logprob}")
            return prefill

        prefill = await self._caller.call("/generate", ask)
        if not prefill:
            raise UserError(
                f"{self.url}: the server returns no log-probs of the prompt; start it with "
                "--enable-prefill-logprobs"
            )
        _check_ids(ids, [token for token, _ in prefill], self.tokenizer)
        self.usage.scored_tokens += len(ids)
        return [float(logprob) for _, logprob in prefill[len(context) :]]

    async def check_scoring(self) -> None:
        """Score a canary. Raises ``UserError`` where the server's scores cannot be used."""
        ids = self.tokenizer(CANARY)["input_ids"]
        half = len(ids) // 2
        try:
            logprobs = await self.score(ids[:half], ids[half:])
        except ModelError as error:
            raise UserError(f"{self.url}: the server cannot score ({error})") from error
        if not all(logprob <= 0 for logprob in logprobs) or not any(logprob < 0 for logprob in logprobs):
            raise UserError(f"{self.url}: the server's scores are no log-probs ({logprobs[:3]} …)")

    async def _introduce(self) -> None:
        """Fill ``info`` from TGI's ``/info``, else from OpenAI's ``/v1/models``."""
        # A server that starts up may still refuse with 503; nobody listening is told at once.
        info = await self._caller.call("/info", lambda: self._get("/info"), wait_for_server=False)
        if isinstance(info, dict) and "model_id" in info:
            total = int(info.get("max_total_tokens") or 0)
            self._info = ModelInfo(
                str(info["model_id"]),
                str(info.get("model_sha") or ""),
                int(info.get("max_input_tokens") or max(total - 1, 0)),
                total,
            )
            # Numeric noise is a matter of the server's version, its number format and its device.
            known = ("router", "version", "model_dtype", "model_device_type")
            self.name = " ".join(str(info[key]) for key in known if info.get(key))
            self._chat_model = "tgi"
            self._caller.limit(int(info.get("max_concurrent_requests") or CONCURRENCY))
            return
        models = await self._caller.call("/v1/models", lambda: self._get("/v1/models"), wait_for_server=False)
        try:
            model = models["data"][0]
            total = int(model.get("max_model_len") or 0)
            self._info = ModelInfo(str(model["id"]), "", max(total - 1, 0), total)
            self._chat_model = self._info.model_id
        except (TypeError, LookupError, AttributeError, ValueError) as error:
            raise UserError(
                f"{self.url}: neither TGI (/info) nor an OpenAI-compatible server (/v1/models) answers here"
            ) from error

    async def _probe(self) -> None:
        """Raises where not even this is answered; a server need not have the route."""
        await self._get("/info")

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        response = await self._http.post(path, json=body, timeout=self._timeout)
        response.raise_for_status()
        return response.json()

    async def _get(self, path: str) -> Any:
        response = await self._http.get(path)
        if response.status_code not in (404, 405):
            response.raise_for_status()
        try:
            return response.json() if response.status_code == 200 else None
        except ValueError:
            return None

    def _text_of(self, ids: list[int]) -> str:
        prefix = self.tokenizer("")["input_ids"]
        if ids[: len(prefix)] != prefix:
            raise ModelError(f"the context does not begin with the tokenizer's own prefix {prefix}")
        return self.tokenizer.decode(
            ids[len(prefix) :], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )

    def _check_payload(self, num_bytes: int) -> None:
        if num_bytes > MAX_PAYLOAD:
            raise ModelError(f"a request of {num_bytes} bytes is beyond the server's {MAX_PAYLOAD}")


def _check_ids(sent: list[int], returned: list[int], tokenizer: Any) -> None:
    if sent == returned:
        return
    at = next(
        (at for at, (mine, theirs) in enumerate(zip(sent, returned, strict=False)) if mine != theirs),
        min(len(sent), len(returned)),
    )
    around = tokenizer.decode(sent[max(0, at - 3) : at + 3])
    raise ModelError(
        f"the server tokenised the text otherwise: ids part at position {at} of {len(sent)} ({len(returned)} "
        f"came back), near {around!r}"
    )


def _load_tokenizer(source: Any, model_id: str) -> Any:
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
