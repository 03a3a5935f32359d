"""Calls that survive: bounded in number, retried with backoff, and failing in one plain line."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from builder.errors import UserError
from builder.llm.protocol import ModelError
from builder.llm.usage import Usage

if TYPE_CHECKING:
    import httpx2
    from tenacity import RetryCallState

Answer = TypeVar("Answer")

CONCURRENCY = 8
PATIENCE = 90.0  # seconds between attempts, so that a server that died ends a run within two minutes
ATTEMPTS = 12
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class Garbled(Exception):
    """An answer that is cut off, or not what was asked for."""


class Caller:
    """Asks one server, on behalf of an engine."""

    def __init__(self, url: str, usage: Usage, *, concurrency: int | None, patience: float) -> None:
        self._url = url
        self._usage = usage
        self._concurrency = concurrency or CONCURRENCY
        self._patience = patience
        self._semaphore = asyncio.Semaphore(self._concurrency)

    def limit(self, most: int) -> None:
        """Never send more than ``most`` requests at once. To be called before the first ones are sent."""
        self._semaphore = asyncio.Semaphore(max(1, min(self._concurrency, most)))

    async def call(
        self, path: str, ask: Callable[[], Awaitable[Answer]], *, wait_for_server: bool = True
    ) -> Answer:
        """Run ``ask`` with retries; ``path`` is what it asks, for messages.

        429, 5xx, timeouts, broken connections and answers are tried again; a refused connection too, unless
        ``wait_for_server`` is false. Raises ``UserError`` where no other call could succeed either (nobody
        listens, no such route, no key), else ``ModelError`` with the server's own words.
        """
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, TextGenerationError
        from tenacity import AsyncRetrying, retry_if_exception, wait_exponential, wait_random

        def passing(error: BaseException) -> bool:
            if isinstance(error, httpx2.ConnectError) and not wait_for_server:
                return False
            status = _status(error)
            if status is not None:
                return status in RETRIED
            return isinstance(error, httpx2.TransportError | InferenceTimeoutError | Garbled)

        def stop(state: RetryCallState) -> bool:
            return state.idle_for >= self._patience or state.attempt_number >= ATTEMPTS

        retrying = AsyncRetrying(
            retry=retry_if_exception(passing),
            wait=wait_exponential(self._patience / 240, self._patience / 6)
            + wait_random(0, self._patience / 60),
            stop=stop,
            reraise=True,
        )
        try:
            return await retrying(self._attempt, ask)
        except Garbled as error:
            raise ModelError(f"{self._url}{path}: {error}") from error
        except httpx2.ConnectError as error:
            raise UserError(
                f"{self._url}: no server answers ({_reason(error)}); start one, or leave llm out to use the "
                "embedded model"
            ) from error
        except (InferenceTimeoutError, httpx2.TimeoutException) as error:
            raise ModelError(f"{self._url}{path}: no answer in time") from error
        except (HfHubHTTPError, TextGenerationError, httpx2.HTTPError) as error:
            status = _status(error)
            words = _words(error)
            if status in (401, 403):
                raise UserError(
                    f"{self._url}: the server wants a key ({words}); set REPO2AGENT_API_KEY"
                ) from error
            if status in (404, 405):
                raise UserError(f"{self._url}: the server has no {path} ({words})") from error
            prefix = f"status {status}: " if status is not None else ""
            raise ModelError(f"{self._url}{path}: {prefix}{words}") from error

    async def _attempt(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        async with self._semaphore:
            began = time.monotonic()
            try:
                return await ask()
            except RecursionError as error:  # how huggingface_hub takes a NaN
                raise ModelError(f"{self._url}: a NaN in the answer") from error
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                raise Garbled(f"the answer is not what the protocol says ({error})") from error
            finally:
                self._usage.seconds += time.monotonic() - began


def _response(error: BaseException) -> httpx2.Response | None:
    # text_generation raises an error of its own, without the response, from the HTTP error.
    for candidate in (error, error.__cause__):
        response = getattr(candidate, "response", None)
        if response is not None:
            return response
    return None


def _status(error: BaseException) -> int | None:
    response = _response(error)
    return None if response is None else response.status_code


def _words(error: BaseException) -> str:
    """What the server itself said, in one line."""
    response = _response(error)
    if response is None:
        return _reason(error)
    try:
        body = response.json()
        said = body.get("error", body.get("detail", body.get("message")))
        said = said.get("message") if isinstance(said, dict) else said
    except (ValueError, AttributeError):
        said = response.text
    return " ".join(str(said or response.reason_phrase).split())[:300]


def _reason(error: BaseException) -> str:
    """The innermost cause in plain words: "connection refused", not "All connection attempts failed"."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
            return os.strerror(cause.errno).lower()
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split())[:300] or type(error).__name__
