"""How many calls may be in flight: what was configured, and less while the server cannot take it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable


class Pace:
    """Additive up, multiplicative down, first in first out.

    It starts at ``most``, what the user configured or the server announces: where that is right
    nothing is lost by a slow start, and where it is too much a server says so at once and seven halvings lead
    from 128 to 1. As many successes as the limit (one round-trip) raise it by one. Calls sent before
    a halving say nothing of the limit after it, so one round-trip halves once however many of its calls fail.
    The floor is 1, so that calls are always tried.

    ``on_room`` is told when there is room that nobody waits for.
    """

    def __init__(self, most: int) -> None:
        self.most = self.limit = max(1, most)
        self.in_flight = 0
        self._successes = 0
        self._halvings = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.on_room: Callable[[], None] = lambda: None

    @property
    def load(self) -> float:
        """Calls in flight and before it, for each that may be in flight. Below 1 there is room."""
        return (self.in_flight + len(self._waiting)) / self.limit

    def cap(self, most: int) -> None:
        """Never let more than ``most`` through, from now on."""
        self.most = max(1, min(self.most, most))
        self.limit = min(self.limit, self.most)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """Wait for a place and keep it. Gives what ``overloaded`` wants to be told."""
        if self._waiting or self.in_flight >= self.limit:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():  # it was given in the very moment of leaving
                    self._leave()
                raise
        else:
            self.in_flight += 1
        try:
            yield self._halvings
        finally:
            self._leave()

    def succeeded(self) -> None:
        self._successes += 1
        if self._successes >= self.limit:
            self._successes = 0
            self.limit = min(self.most, self.limit + 1)
            self._admit()

    def overloaded(self, turn: int) -> None:
        """The call of this ``turn`` was more than the server took."""
        if turn == self._halvings:
            self._halvings += 1
            self._successes = 0
            self.limit = max(1, self.limit // 2)

    def _leave(self) -> None:
        self.in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.in_flight < self.limit:
            place = self._waiting.popleft()
            if not place.done():  # else its call was cancelled while it waited
                self.in_flight += 1
                place.set_result(None)
        if self.load < 1:
            self.on_room()
