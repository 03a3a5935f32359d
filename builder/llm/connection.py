"""A model behind a URL, or several, with the store in front of it: what the rest of the house calls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from builder.errors import UserError
from builder.llm.calls import PATIENCE
from builder.llm.canary import check_scoring
from builder.llm.endpoint import Endpoint
from builder.llm.openai import OpenAICompatible
from builder.llm.pool import Pool
from builder.llm.protocol import Capabilities, Message, ModelInfo
from builder.llm.store import Store, answer_key
from builder.llm.tgi import TGI
from builder.llm.usage import Usage
from builder.llm.vllm import VLLM

# Asked in this order whether they know the server.
ENGINES: tuple[type[OpenAICompatible], ...] = (TGI, VLLM, OpenAICompatible)


class Connection:
    """A ``Model`` that asks the server only for what is not stored, and for equal calls only once."""

    def __init__(
        self,
        engine: OpenAICompatible | Pool,
        store: Store | None = None,
        on_call: Callable[[Usage], None] | None = None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._on_call = on_call
        self._in_flight: dict[str, asyncio.Task[Any]] = {}

    @property
    def info(self) -> ModelInfo:
        return self._engine.info

    @property
    def tokenizer(self) -> Any:
        return self._engine.tokenizer

    @property
    def engine_name(self) -> str:
        """What serves the model, with its version: enough to key what depends on it, such as noise."""
        return self._engine.name

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    @property
    def usage(self) -> Usage:
        return self._engine.usage

    async def generate(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """See ``Model.generate``."""
        request = {"messages": list(messages), "max_tokens": max_tokens, "temperature": temperature}
        return await self._answer(
            "generate",
            request,
            seed,
            lambda: self._engine.generate(
                messages, max_tokens=max_tokens, temperature=temperature, seed=seed
            ),
        )

    async def score(self, context: Sequence[int], target: Sequence[int], *, repeat: int = 0) -> list[float]:
        """See ``Model.score``.

        From 1, ``repeat`` numbers the times that one score is asked for: each is asked of the engine, and
        kept under its number and the engine's name. That is how noise is measured.
        """
        request: dict[str, Any] = {"context": list(context), "target": list(target)}
        if repeat:
            request["engine"] = self._engine.name
        return await self._answer("score", request, repeat, lambda: self._engine.score(context, target))

    async def _answer(
        self, kind: str, request: dict[str, Any], seed: int, ask: Callable[[], Awaitable[Any]]
    ) -> Any:
        usage = self.usage
        usage.calls += 1
        key = answer_key(
            {
                "model_id": self.info.model_id,
                "revision": self.info.revision,
                "kind": kind,
                "request": request,
                "seed": seed,
            }
        )
        try:
            task = self._in_flight.get(key)
            if task is not None:
                usage.stored += 1
            elif self._store is not None and (answer := self._store.get(key)) is not None:
                usage.stored += 1
                return answer
            else:
                task = self._in_flight[key] = asyncio.create_task(self._ask(key, ask))
                task.add_done_callback(lambda task: self._landed(key, task))
            # Whoever asks second must not lose the answer because the first one gave up.
            return await asyncio.shield(task)
        except Exception:
            usage.failed += 1
            raise
        finally:
            if self._on_call is not None:
                self._on_call(usage)

    async def _ask(self, key: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        answer = await ask()
        return answer if self._store is None else self._store.put(key, answer)

    def _landed(self, key: str, task: asyncio.Task[Any]) -> None:
        del self._in_flight[key]
        if not task.cancelled():
            task.exception()  # seen, even if every asker has gone

    async def close(self) -> None:
        """Give up what is in flight and close the engine's connections."""
        for task in list(self._in_flight.values()):
            task.cancel()
        await asyncio.gather(*self._in_flight.values(), return_exceptions=True)
        await self._engine.close()


@contextlib.asynccontextmanager
async def connect(
    url: str | Sequence[str],
    *,
    store: Path | None = None,
    tokenizer: Any = None,
    concurrency: int | None = None,
    scoring: bool = False,
    api_key: str | None = None,
    patience: float = PATIENCE,
    on_call: Callable[[Usage], None] | None = None,
) -> AsyncIterator[Connection]:
    """Open the model that answers at ``url``: TGI or vLLM, or any OpenAI-compatible server to generate only.

    Args:
        url: the server's address, or those of several that serve the same model and share the calls evenly.
            Of several, one that dies is left out with a warning until it answers again.
        store: SQLite file of answers, shared with other processes; None keeps nothing.
        tokenizer: the model's fast tokenizer, its Hub id or its directory; by default the server's model id.
        concurrency: most requests at once to one server; by default 8, or fewer where the server says so, and
            fewer while it cannot take as many.
        scoring: score a canary first, so that a server is refused here that cannot score, or scores otherwise
            than transformers does with the same weights.
        api_key: sent as bearer token to this server only; by default ``$REPO2AGENT_API_KEY``. The Hub's
            own token is never sent.
        patience: seconds of waiting, over all retries of a call, after which it counts as failed.
        on_call: called with the counters after each call, for progress bars.

    Raises ``UserError`` in one line where nobody answers, the protocol is another, scores cannot be had, or
    two of several servers differ.
    """
    urls = list(dict.fromkeys([url] if isinstance(url, str) else url))
    if not urls:
        raise UserError("an empty list of model servers; give at least one address, http://host:port")
    usage = Usage()

    async def open_engine(url: str) -> OpenAICompatible:
        endpoint = Endpoint(url, concurrency=concurrency, api_key=api_key, patience=patience, usage=usage)
        try:
            return await _recognised(endpoint, tokenizer)
        except BaseException:
            await endpoint.close()
            raise

    with contextlib.nullcontext() if store is None else contextlib.closing(Store(store)) as answers:

        async def check(engine: OpenAICompatible) -> None:
            nonlocal tokenizer
            if scoring:
                engine.tokenizer = tokenizer
                await check_scoring(engine, answers)
                tokenizer = engine.tokenizer  # read once for all servers

        engine = Pool(open_engine, check, patience) if len(urls) > 1 else await open_engine(urls[0])
        connection = Connection(engine, answers, on_call)
        try:
            await (engine.open(urls) if isinstance(engine, Pool) else check(engine))
            yield connection
        finally:
            await connection.close()


async def _recognised(endpoint: Endpoint, tokenizer: Any) -> OpenAICompatible:
    for kind in ENGINES:
        engine = await kind.recognise(endpoint, tokenizer)
        if engine is not None:
            return engine
    raise UserError(
        f"{endpoint.url}: neither TGI (/info) nor an OpenAI-compatible server such as vLLM (/v1/models) "
        "answers here"
    )
