"""Calls that survive: at the server's pace, retried with backoff, and failing in one plain line."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from builder.errors import UserError
from builder.llm.breaker import Breaker
from builder.llm.pace import Pace
from builder.llm.protocol import ModelError, ServerGone
from builder.llm.usage import Usage

if TYPE_CHECKING:
    import httpx2
    from tenacity import AsyncRetrying

Answer = TypeVar("Answer")

CONCURRENCY = 8
PATIENCE = 90.0  # seconds between attempts, so that a server that died ends a run within two minutes
ATTEMPTS = 12  # where a fifth of all attempts fail, one call in 10 ** 8 does
GARBLED = 6  # of them with an answer: a server that always answers so (no log-probs) is known after 12 s
STALLS = 4  # of them without an answer: minutes each
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
OVERLOADED = frozenset({408, 429, 503, 504})


class Garbled(Exception):
    """An answer that is cut off, or not what was asked for."""


class Elsewhere(ModelError):
    """The server does not answer, and others of the same model do: one of them is to be asked."""


class Caller:
    """Asks one server, on behalf of an engine; ``probe`` asks whether it is there, without the model.

    How many calls are in flight, and when one is tried again, changes when answers come, never which.
    """

    def __init__(
        self,
        url: str,
        usage: Usage,
        *,
        concurrency: int | None,
        patience: float,
        probe: Callable[[], Awaitable[object]],
    ) -> None:
        self._url = url
        self._usage = usage
        self._patience = patience
        self._pace = Pace(concurrency or CONCURRENCY)
        self._breaker = Breaker(url, patience, probe)
        self._others: Callable[[], bool] = lambda: False

    def join(
        self, lasted: dict[str, deque[float]], others: Callable[[], bool], on_room: Callable[[], None]
    ) -> None:
        """Be one of several that ask servers of one model.

        ``lasted`` is shared by them, ``others`` tells whether another server may be asked, and ``on_room`` is
        called when this one can take a call more. A call whose server is out of reach or hangs then raises
        ``Elsewhere`` where there are others.
        """
        self._breaker.lasted_by_all = lasted
        self._others = others
        self._pace.on_room = on_room

    @property
    def load(self) -> float:
        """Calls at the server or waiting for it, relative to what it takes; below 1 there is room."""
        return self._pace.load

    @property
    def most(self) -> int:
        """Most calls that are ever in flight there."""
        return self._pace.most

    @property
    def out_of_reach(self) -> bool:
        """Whether nobody answered there last time."""
        return self._breaker.out_of_reach

    @property
    def suspicious(self) -> bool:
        """Whether nothing has succeeded since the server seemed to fail."""
        return self._breaker.suspicious

    @property
    def words(self) -> str:
        """How the last failure showed."""
        return self._breaker.words

    def limit(self, most: int) -> None:
        """Never send more than ``most`` requests at once."""
        self._pace.cap(most)

    async def call(
        self, path: str, ask: Callable[[], Awaitable[Answer]], *, wait_for_server: bool = True
    ) -> Answer:
        """Run ``ask`` with retries; ``path`` is what it asks, for messages.

        429, 5xx, timeouts, broken connections and answers are tried again; a refused connection too, unless
        ``wait_for_server`` is false. Raises ``UserError`` where no other call could succeed either (nobody
        listens, no such route, no key, see ``Breaker``), else ``ModelError`` with the server's own words, but
        without its address: rows keep them.
        """
        async with self._breaker.watched() as call:
            return await self._retried(call, path, ask, wait_for_server)

    async def _retried(
        self, call: asyncio.Timeout, path: str, ask: Callable[[], Awaitable[Answer]], wait_for_server: bool
    ) -> Answer:
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, TextGenerationError

        try:
            return await self._until_answered(call, path, ask, wait_for_server)
        except Garbled as error:
            raise ModelError(f"{path}: {error}") from error
        except httpx2.ConnectError as error:
            raise ServerGone(
                self._url,
                f"no server answers ({_reason(error)})",
                "start one, or leave llm out to use the embedded model",
            ) from error
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise ModelError(f"{path}: no answer in time") from error
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
            raise ModelError(f"{path}: {prefix}{words}") from error

    async def _until_answered(
        self, call: asyncio.Timeout, path: str, ask: Callable[[], Awaitable[Answer]], wait_for_server: bool
    ) -> Answer:
        failures: Counter[type] = Counter()

        def passing(error: BaseException) -> bool:
            return _passing(error) and (wait_for_server or not _refused(error))

        async def attempt() -> Answer:
            try:
                return await self._attempt(path, ask, failures[TimeoutError])
            except Exception as error:
                out_of_reach = _out_of_reach(error)
                stalled = _is_timeout(error) and not out_of_reach
                failures[TimeoutError] += stalled
                failures[Garbled] += isinstance(error, Garbled)
                if passing(error):
                    self._breaker.failed(call, _told(error), out_of_reach=out_of_reach, stalled=stalled)
                    if (out_of_reach or stalled) and self._others():
                        raise Elsewhere(f"{path}: {_told(error)}") from None
                raise

        try:
            return await attempt()
        except Exception as error:
            if not passing(error):
                raise
            failed = [error]

        async def again() -> Answer:
            if failed:  # the first attempt has been made: most calls need no more, and no machinery for it
                raise failed.pop()
            return await attempt()

        return await self._retrying(failures, passing)(again)

    def _retrying(self, failures: Counter[type], passing: Callable[[BaseException], bool]) -> AsyncRetrying:
        from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential, wait_random

        def stop(state: RetryCallState) -> bool:
            # The server's own fault is judged for all calls together: a bad minute is no lost thoughts.
            return not self._breaker.suspicious and (
                state.idle_for >= self._patience
                or state.attempt_number >= ATTEMPTS
                or failures[Garbled] >= GARBLED
                or failures[TimeoutError] >= STALLS
                or (self._breaker.overdue and state.attempt_number >= 3)
            )

        return AsyncRetrying(
            retry=retry_if_exception(passing),
            wait=wait_exponential(self._patience / 240, self._patience / 6)
            + wait_random(0, self._patience / 60),
            stop=stop,
            reraise=True,
        )

    async def _attempt(self, path: str, ask: Callable[[], Awaitable[Answer]], stalls: int) -> Answer:
        clock = asyncio.get_running_loop().time
        async with self._pace.turn() as turn:
            began = clock()
            try:
                async with self._breaker.limited(path, stalls):
                    answer = await ask()
            except RecursionError as error:  # how huggingface_hub takes a NaN
                raise Garbled("a NaN in the answer") from error
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                if _status(error) is not None:  # huggingface_hub's error for a 400 is a ValueError
                    raise
                raise Garbled(f"the answer is not what the protocol says ({error})") from error
            except Exception as error:
                if _overloaded(error):
                    self._pace.overloaded(turn)
                raise
            finally:
                self._usage.seconds += clock() - began
            self._pace.succeeded()
            self._breaker.succeeded(path, clock() - began)
            return answer


def _passing(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    import httpx2

    status = _status(error)
    if status is not None:
        return status in RETRIED
    return isinstance(error, httpx2.TransportError | TimeoutError | Garbled)


def _overloaded(error: BaseException) -> bool:
    """Whether fewer calls at once might have spared it: refusals, timeouts, broken connections."""
    return _status(error) in OVERLOADED or (
        _status(error) is None and _passing(error) and not isinstance(error, Garbled)
    )


def _is_timeout(error: BaseException) -> bool:
    import httpx2

    return isinstance(error, TimeoutError | httpx2.TimeoutException)


def _refused(error: BaseException) -> bool:
    import httpx2

    return isinstance(error, httpx2.ConnectError)


def _out_of_reach(error: BaseException) -> bool:
    import httpx2

    # huggingface_hub makes one error of all timeouts.
    causes = (error, error.__cause__)
    return any(isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout) for cause in causes)


def _told(error: BaseException) -> str:
    """What the server last answered, in one line."""
    if _is_timeout(error):
        return "no answer in time"
    if isinstance(error, Garbled):
        return str(error)
    status = _status(error)
    return _words(error) if status is None else f"status {status}: {_words(error)}"


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
