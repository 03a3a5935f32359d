"""Strangers' code is read by a child: what crashes it, or takes for ever, costs one repository, no build."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import struct
import sys
from typing import Any

from builder.errors import FatalError, UserError
from builder.selection import Record, SelectOptions
from builder.structure import Blueprint

TIME_LIMIT = 600.0  # seconds for one repository
LENGTH = struct.Struct(">Q")  # before each message
ATTEMPTS = 3  # a child may also be killed for what is no fault of the repository


class Unreadable(UserError):
    """A repository that has to be left out."""


class Reader:
    """A child process that reads one repository at a time; used as an async context."""

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        self._time_limit = time_limit
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Reader:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def survey(self, source: str, options: SelectOptions) -> Record:
        """``builder.selection.survey`` of ``source``; raises ``Unreadable`` where that ends the child."""
        return await self._ask("survey", source, options)

    async def read(self, source: str, options: SelectOptions) -> Blueprint:
        """The structure of what is selected of ``source``; raises ``Unreadable``."""
        return await self._ask("read", source, options)

    async def _ask(self, task: str, source: str, options: SelectOptions) -> Any:
        request = pickle.dumps((task, source, options))
        async with self._turn:
            for _ in range(ATTEMPTS):
                try:
                    async with asyncio.timeout(self._time_limit):
                        kind, answer = await self._attempt(request)
                except (asyncio.IncompleteReadError, ConnectionError):
                    await self._end()
                    reason = "reading it ended the process that read it"
                except TimeoutError:
                    await self._end()
                    reason = f"reading it takes longer than {self._time_limit:.0f} s"
                except BaseException:
                    await self._end()  # it may still be at work on an answer that nobody waits for
                    raise
                else:
                    if kind != "answer":
                        raise (FatalError if kind == "fatal" else Unreadable)(answer)
                    return answer
        raise Unreadable(f"{source}: {reason}, {ATTEMPTS} times")

    async def _attempt(self, request: bytes) -> tuple[str, Any]:
        from builder.llm import child_environment

        if self._child is None:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "builder.scale.child",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=child_environment(),
                start_new_session=True,  # a Ctrl-C is the parent's business
            )
        reader, writer = self._child.stdout, self._child.stdin
        assert reader is not None
        assert writer is not None
        writer.write(LENGTH.pack(len(request)) + request)
        await writer.drain()
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return pickle.loads(await reader.readexactly(length))

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await asyncio.shield(child.wait())
