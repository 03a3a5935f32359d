"""One server: its address and key, the clients that reach it, and the pace of the calls to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from builder.errors import UserError
from builder.llm.calls import PATIENCE, Caller
from builder.llm.usage import Usage

TIMEOUT = 600.0  # seconds that one answer may take at most; `Breaker.time_limit` goes by the others' time
LOOKING = 30.0  # seconds: what a server says of itself needs no model
CONNECTING = 10.0  # seconds: a machine that is gone refuses nothing, it keeps silent
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Endpoint:
    """Where a model answers. ``close`` it in the event loop that it was used in.

    ``client`` is ``huggingface_hub``'s, for the routes that it knows; ``get`` and ``post`` reach the others
    through the same connections. ``usage`` may be shared by several.
    """

    def __init__(
        self,
        url: str,
        *,
        concurrency: int | None = None,
        api_key: str | None = None,
        patience: float = PATIENCE,
        timeout: float = TIMEOUT,
        usage: Usage | None = None,
    ) -> None:
        import httpx2
        from huggingface_hub import AsyncInferenceClient

        if not url.startswith(("http://", "https://")):
            raise UserError(f"{url}: not a server's address; give it as http://host:port")
        self.url = url.rstrip("/").removesuffix("/v1")
        self.usage = Usage() if usage is None else usage
        self.caller = Caller(
            self.url, self.usage, concurrency=concurrency, patience=patience, probe=self._probe
        )
        self._timeout = httpx2.Timeout(timeout, connect=min(CONNECTING, timeout))
        api_key = api_key or os.environ.get("REPO2AGENT_API_KEY")
        # Left to itself the client sends the Hub's token to any host, so the header is always set here, and
        # a dummy token keeps it from looking one up.
        headers = {"authorization": f"Bearer {api_key}" if api_key else ""}
        self.client = AsyncInferenceClient(
            base_url=self.url,
            token="-",
            timeout=self._timeout,  # type: ignore[arg-type]
            headers=headers,
        )
        # Its own transport refuses every host while HF_HUB_OFFLINE is set, and would reach a server on this
        # very machine through the proxy of the environment. There is no public way to give it another.
        self._http = httpx2.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=LOOKING,
            follow_redirects=True,
            limits=httpx2.Limits(max_connections=None),
            trust_env=httpx2.URL(self.url).host not in LOOPBACK,
        )
        self.client._async_client = self._http

    async def close(self) -> None:
        await self.client.close()
        await self._http.aclose()

    async def get(self, path: str) -> Any:
        """The JSON that a server says of itself; None where it has no such route or says something else.

        A server that starts up may still refuse with 503, and is waited for; that nobody listens is told at
        once.
        """
        return await self._look(path, lambda response: response.json())

    async def get_text(self, path: str) -> str:
        """As ``get``, for plain text; empty where the server has no such route."""
        return await self._look(path, lambda response: response.text) or ""

    async def post(self, path: str, body: Any) -> Any:
        """One attempt, for ``caller.call``: the JSON that is answered to ``body``."""
        import orjson

        response = await self._http.post(path, json=body, timeout=self._timeout)
        response.raise_for_status()
        try:
            return orjson.loads(response.content)  # log-probs of long prompts take other parsers milliseconds
        except ValueError:
            return response.json()  # which also knows NaN, or says what is wrong

    async def _look(self, path: str, read: Callable[[Any], Any]) -> Any:
        async def ask() -> Any:
            response = await self._fetch(path)
            try:
                return read(response) if response.status_code == 200 else None
            except ValueError:
                return None

        return await self.caller.call(path, ask, wait_for_server=False)

    async def _probe(self) -> None:
        """Raises where not even this is answered; a server need not have the route."""
        await self._fetch("/info")

    async def _fetch(self, path: str) -> Any:
        response = await self._http.get(path)
        if response.status_code not in (404, 405):
            response.raise_for_status()
        return response
