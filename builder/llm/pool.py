"""Several servers of one model as one: each call goes where there is room, and who dies is left out.

A server whose connection is refused is left out at once, one that fails otherwise when its breaker opens, as
if it were alone. Its calls go to the others. It is asked now and then whether it is back, and is taken in
again where it serves the same model as before. The last one is waited for like a single server.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeVar

from builder.errors import UserError
from builder.llm.breaker import recent_by_kind
from builder.llm.calls import PATIENCE, STALLS, Caller, Elsewhere, Garbled
from builder.llm.openai import OpenAICompatible
from builder.llm.protocol import Capabilities, Message, ModelError, ModelInfo, ServerGone
from builder.llm.usage import Usage

Answer = TypeVar("Answer")

# Of the patience, the first and the longest pause before a server that was left out is asked again: 5 s and
# 3 min where it is 90 s.
SOON, LATE = 1 / 18, 2.0

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Server:
    """One that is in. ``calls`` are those that the pool gave it, ``turn`` tells when it last got one."""

    engine: OpenAICompatible
    delay: float  # seconds until it is asked again, should it be left out before it has answered anything
    calls: int = 0
    turn: int = 0

    @property
    def caller(self) -> Caller:
        return self.engine.endpoint.caller

    @property
    def has_room(self) -> bool:
        """Whether it can take a call. One that seems to fail gets no more than it could have in flight."""
        return self.caller.load < 1 and (not self.caller.suspicious or self.calls < self.caller.most)

    @property
    def url(self) -> str:
        return self.engine.endpoint.url


class Pool:
    """What a ``Connection`` asks of an engine, for several of them. Close it in the loop that it was used in.

    Which server answers is a matter of their loads, so whatever is built on answers must not depend on it:
    they are kept under the model's name alone.
    """

    def __init__(
        self,
        open_engine: Callable[[str], Awaitable[OpenAICompatible]],
        check: Callable[[OpenAICompatible], Awaitable[None]],
        patience: float = PATIENCE,
    ) -> None:
        """``open_engine`` gives the engine for a URL; ``check`` raises ``UserError`` for one of no use."""
        self._open_engine = open_engine
        self._check = check
        self._patience = patience
        self._soon, self._late = SOON * patience, LATE * patience
        self._first: OpenAICompatible
        self._servers: list[Server] = []  # those that are in
        self._left: list[OpenAICompatible] = []  # whose last calls may not have ended yet
        self._names: set[str] = set()
        self._lasted = recent_by_kind()
        self._turns = itertools.count(1)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._returning: set[asyncio.Task[None]] = set()
        self._verdict: str | None = None

    async def open(self, urls: Sequence[str]) -> None:
        """Take in the servers at ``urls``; those where nobody answers are left out as if they died later.

        Raises ``UserError`` where none answers, one cannot be used, or two serve different models.
        """
        opened = await asyncio.gather(*(self._open_engine(url) for url in urls), return_exceptions=True)
        engines = [engine for engine in opened if isinstance(engine, OpenAICompatible)]
        self._left = list(engines)  # closed with the pool, whatever comes
        gone = {url: error for url, error in zip(urls, opened, strict=True) if isinstance(error, ServerGone)}
        for error in opened:
            if isinstance(error, BaseException) and not isinstance(error, ServerGone):
                raise error
        if not engines:
            raise UserError(f"none of {len(urls)} servers answers; the first: {next(iter(gone.values()))}")
        self._first = engines[0]
        for engine in engines[1:]:
            self._check_same(engine)
        # The first one alone: what it is compared with is computed once and kept.
        await self._check(self._first)
        await asyncio.gather(*(self._check(engine) for engine in engines[1:]))
        for engine in engines:
            self._left.remove(engine)
            self._take_in(Server(engine, self._soon))
        for url, error in gone.items():
            self._await_return(url, error.words, self._soon)

    @property
    def info(self) -> ModelInfo:
        return self._first.info

    @property
    def tokenizer(self) -> Any:
        return self._first.tokenizer

    @property
    def name(self) -> str:
        """All names under which the model is served: noise is that of all servers together."""
        return " + ".join(sorted(self._names.union(server.engine.name for server in self._servers)))

    @property
    def capabilities(self) -> Capabilities:
        return self._first.capabilities

    @property
    def usage(self) -> Usage:
        return self._first.usage

    async def generate(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """See ``Model.generate``."""
        return await self._answer(
            lambda engine: engine.generate(
                messages, max_tokens=max_tokens, temperature=temperature, seed=seed
            )
        )

    async def score(self, context: Sequence[int], target: Sequence[int]) -> list[float]:
        """See ``Model.score``."""
        return await self._answer(lambda engine: engine.score(context, target))

    async def close(self) -> None:
        for task in self._returning:
            task.cancel()
        await asyncio.gather(*self._returning, return_exceptions=True)
        for engine in [*self._left, *(server.engine for server in self._servers)]:
            await engine.close()

    async def _answer(self, ask: Callable[[OpenAICompatible], Awaitable[Answer]]) -> Answer:
        failed: list[Server] = []
        while True:
            server = await self._room(failed)
            server.calls += 1
            try:
                answer = await ask(server.engine)
                server.delay = self._soon
                return answer
            except Elsewhere:
                failed.append(server)
                if server.caller.out_of_reach:
                    self._leave_out(server, server.caller.words)
                elif len(failed) >= STALLS:  # it is the call
                    raise
            except UserError as error:  # no other call to this server could succeed either
                failed.append(server)
                self._leave_out(server, error.words if isinstance(error, ServerGone) else str(error), error)
            finally:
                server.calls -= 1
                # Calls have left it one by one, and new ones avoid it: nobody else would tell.
                if not server.calls and server.caller.suspicious and self._others(server):
                    self._leave_out(server, server.caller.words)
                self._wake()

    async def _room(self, failed: Sequence[Server]) -> Server:
        """Wait for a server that can take a call, first come, first served; rather not one that ``failed``.

        Whoever is given one must enter its pace before anybody else runs.
        """
        first = True
        while True:
            if self._verdict is not None:
                raise UserError(self._verdict)
            if (server := self._best(failed)) and not (first and self._waiting):
                server.turn = next(self._turns)
                self._wake()  # the next one looks once this one has entered
                return server
            woken = asyncio.get_running_loop().create_future()
            (self._waiting.append if first else self._waiting.appendleft)(woken)
            first = False
            try:
                await woken
            except asyncio.CancelledError:
                if woken.done() and not woken.cancelled():
                    self._wake()
                elif woken in self._waiting:
                    self._waiting.remove(woken)
                raise

    def _best(self, failed: Sequence[Server]) -> Server | None:
        """The server with the smallest share of its places taken, in turns; None where none has room."""
        ready = [server for server in self._servers if not server.caller.suspicious] or self._servers
        roomy = [server for server in ready if server.has_room]
        return min(roomy, key=lambda s: (s in failed, s.caller.load, s.turn), default=None)

    def _wake(self) -> None:
        while self._waiting:
            woken = self._waiting.popleft()
            if not woken.done():
                woken.set_result(None)
                return

    def _others(self, server: Server) -> bool:
        """Whether there is another server in good standing."""
        return any(other is not server and not other.caller.suspicious for other in self._servers)

    def _take_in(self, server: Server) -> None:
        server.caller.join(self._lasted, lambda: self._others(server), self._wake)
        self._servers.append(server)
        self._names.add(server.engine.name)
        self._wake()

    def _leave_out(self, server: Server, words: str, error: UserError | None = None) -> None:
        if server not in self._servers:
            return
        self._servers.remove(server)
        self._left.append(server.engine)
        self._names.add(server.engine.name)
        if not self._servers:
            self._verdict = f"no server of {self.info.model_id} is left; the last: {error or words}"
            for woken in self._waiting:
                if not woken.done():
                    woken.set_result(None)
            self._waiting.clear()
            return
        # What comes back and fails again at once is told once.
        self._await_return(server.url, words, server.delay, told=server.delay > self._soon)
        self._wake()

    def _await_return(self, url: str, words: str, delay: float, *, told: bool = False) -> None:
        level = logging.INFO if told else logging.WARNING
        words = words.removeprefix(f"{url}: ")
        logger.log(
            level, "%s: left out (%s); others go on, and it is taken in again once it answers", url, words
        )
        task = asyncio.create_task(self._until_it_returns(url, delay, level))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _until_it_returns(self, url: str, delay: float, level: int) -> None:
        told: set[str] = set()
        while True:
            await asyncio.sleep(delay)
            delay = min(2 * delay, self._late)
            try:
                async with contextlib.AsyncExitStack() as opened, asyncio.timeout(self._patience):
                    engine = await self._open_engine(url)
                    opened.push_async_callback(engine.close)
                    self._check_same(engine)
                    await self._check(engine)
                    await _try(engine)
                    opened.pop_all()
            except (ServerGone, ModelError, TimeoutError):
                continue
            except UserError as error:  # it answers, but is not what it was
                if str(error) not in told:
                    told.add(str(error))
                    logger.warning("still left out: %s", error)
                continue
            logger.log(level, "%s: answers and is taken in", url)
            self._take_in(Server(engine, delay))
            return

    def _check_same(self, engine: OpenAICompatible) -> None:
        mine, theirs = _identity(self._first), _identity(engine)
        if mine != theirs:
            raise UserError(
                f"{self._first.endpoint.url} and {engine.endpoint.url} serve different models ({mine}; "
                f"{theirs}); servers that are given as a list stand for one model with one window"
            )


async def _try(engine: OpenAICompatible) -> None:
    """One real call: a server may tell of itself long after its model has died."""
    try:
        await engine.generate([{"role": "user", "content": "Hello"}], max_tokens=1)
    except ModelError as error:
        if not isinstance(error.__cause__, Garbled):  # a token may be too little for any text
            raise


def _identity(engine: OpenAICompatible) -> str:
    """What servers of one model have in common. Folders may lie elsewhere on another machine."""
    info, weights = engine.info, PurePath(engine.weights)
    revision = f"@{info.revision}" if info.revision else ""
    source = weights.name if weights.is_absolute() else str(weights)
    source = f" from {source}" if str(weights) != info.model_id else ""
    return f"{info.model_id}{revision}{source}, {info.max_input_tokens} of {info.max_total_tokens} tokens"
