"""Tells a server that has died from one that is slow or busy, and then ends all calls with one line."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import chain

from builder.llm.protocol import ModelError, ServerGone

# Calls: the candidates of one thought share a context, and it alone may be what a server fails at.
SEVERAL = 4
MANY = 12  # failures in a row: where a fifth of all attempts fail, chance makes so many once in 10 ** 8
SILENCE = 20.0  # seconds without any answer, after which the server is asked whether it is there
PROBE = 10.0  # seconds that this question may take; it needs no model
STALL = 60.0  # seconds that a call may take at least: a small server on a busy machine is slow, not stalled
SLOWER = 4  # times the slowest recent answer that a call may take
FEW = 8  # answers of a kind, below which nothing is known of how long it takes
RECENT = 64


class Breaker:
    """Watches the calls to one server.

    It opens where no call has succeeded for 5/6 of ``patience`` (75 s of 90: longer than a rate limit's
    minute, and early enough that a run is over within two) since the first of these failures, and meanwhile
    either the server was out of reach, or ``MANY`` attempts of at least ``SEVERAL`` different calls failed
    for reasons that may pass: a few that stall take as long by chance. Where answers are known to take long,
    twice the slowest is waited for instead, but not for a server out of reach. Silence alone is no failure:
    after ``SILENCE`` seconds ``probe`` asks, and a server that answers is slow.

    ``lasted_by_all`` has the seconds that all servers of the model took, by kind: they are gone by as long as
    this one has answered too little.
    """

    def __init__(self, url: str, patience: float, probe: Callable[[], Awaitable[object]]) -> None:
        self._url = url
        self._bound = patience * 5 / 6
        self._probe = probe
        self._calls: set[asyncio.Timeout] = set()
        self._failed: set[asyncio.Timeout] = set()
        self._num_failures = 0
        self._failing_since: float | None = None
        self.out_of_reach = False
        self.words = ""
        self._heard = 0.0
        self._lasted = recent_by_kind()
        self.lasted_by_all = self._lasted
        self._unlimited: dict[asyncio.Timeout, tuple[str, float]] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._verdict: tuple[str, str, str] | None = None

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[asyncio.Timeout]:
        """The time of one call with its retries. Wherever it waits, ``UserError`` ends it when this opens."""
        if self._verdict is not None:
            raise ServerGone(*self._verdict)
        if not self._calls:
            self._heard = _now()
            self._watcher = asyncio.create_task(self._watch())
        call = asyncio.timeout(None)
        self._calls.add(call)
        try:
            async with call:
                yield call
        except (TimeoutError, ModelError, ServerGone):
            if self._verdict is None:
                raise
            raise ServerGone(*self._verdict) from None
        finally:
            self._calls.discard(call)
            if not self._calls and self._watcher is not None:
                self._watcher.cancel()

    @contextlib.asynccontextmanager
    async def limited(self, kind: str, stalls: int) -> AsyncIterator[None]:
        """The time of one attempt of a call that stalled ``stalls`` times; ``TimeoutError`` at its limit."""
        limit = self.time_limit(kind, stalls)
        async with asyncio.timeout(limit) as attempt:
            if limit is None and self.lasted_by_all is not self._lasted:
                self._unlimited[attempt] = kind, _now()
            try:
                yield
            finally:
                self._unlimited.pop(attempt, None)

    def succeeded(self, kind: str, seconds: float) -> None:
        self._heard = _now()
        self._failing_since = None
        self.out_of_reach = False
        self._failed.clear()
        self._num_failures = 0
        self._lasted[kind].append(seconds)
        if self.lasted_by_all is not self._lasted:
            self.lasted_by_all[kind].append(seconds)

    def failed(self, call: asyncio.Timeout, words: str, *, out_of_reach: bool, stalled: bool) -> None:
        """An attempt failed for a reason that may pass. Never one of the request's own."""
        self.out_of_reach = out_of_reach
        self._num_failures += 1
        if not out_of_reach:
            self._failed.add(call)
        if not stalled:
            self._heard = _now()
        self._blame(words, _now())

    def time_limit(self, kind: str, stalls: int) -> float | None:
        """Seconds for the next attempt of a call that stalled ``stalls`` times; None: not known."""
        lasted = self._lasted[kind]
        if len(lasted) < FEW:
            lasted = self.lasted_by_all[kind]
        return max(STALL, SLOWER * max(lasted)) * (2 if stalls else 1) if len(lasted) >= FEW else None

    @property
    def suspicious(self) -> bool:
        """Whether nothing has succeeded since the server seemed to fail: it recovers, or this opens."""
        return self._verdict is None and (self.out_of_reach or len(self._failed) >= SEVERAL)

    @property
    def overdue(self) -> bool:
        """Whether nothing has succeeded for so long that many retries are no use."""
        if self._failing_since is None or not (self.out_of_reach or self._num_failures >= MANY):
            return False
        slowest = max(chain.from_iterable(self._lasted.values()), default=0.0)
        bound = self._bound if self.out_of_reach else max(self._bound, 2 * slowest)
        return _now() - self._failing_since >= bound

    def _blame(self, words: str, since: float) -> None:
        self.words = words
        if self._failing_since is None:
            self._failing_since = since
        self._open_if_due()

    def _open_if_due(self) -> None:
        if self.suspicious and self.overdue:
            assert self._failing_since is not None
            seconds = f"{_now() - self._failing_since:.0f} s"
            self._verdict = (
                self._url,
                f"no call has succeeded for {seconds} ({self.words})",
                "all answers so far are kept: start again once the server answers",
            )
            for call in self._calls:
                call.reschedule(_now())

    async def _watch(self) -> None:
        import httpx2

        while True:
            await asyncio.sleep(self._bound / 25)
            self._open_if_due()
            for attempt, (kind, began) in list(self._unlimited.items()):
                if (limit := self.time_limit(kind, 0)) is not None:  # other servers have answered meanwhile
                    del self._unlimited[attempt]
                    attempt.reschedule(max(_now(), began + limit))
            since = self._heard
            if _now() - since < SILENCE:
                continue
            try:
                async with asyncio.timeout(PROBE):
                    await self._probe()
                self._heard = max(self._heard, _now())
                self.out_of_reach = False
            except (httpx2.HTTPError, TimeoutError) as error:
                if self._heard == since:  # else a call was answered meanwhile
                    self.out_of_reach = True
                    self._blame(f"no answer to anything: {str(error) or type(error).__name__}", since)


def recent_by_kind() -> dict[str, deque[float]]:
    return defaultdict(lambda: deque(maxlen=RECENT))


def _now() -> float:
    return asyncio.get_running_loop().time()
