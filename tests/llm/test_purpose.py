"""What a call is for follows it into the tasks that it starts, and ends with it."""

from __future__ import annotations

import asyncio

from builder.llm import asking_for, purpose


def test_tasks_keep_the_purpose_that_they_were_started_with() -> None:
    async def call(name: str) -> list[str]:
        with asking_for(name):
            later = asyncio.ensure_future(seen())
            with asking_for("inner"):
                inner = await seen()
            return [inner, await later, await seen()]

    async def seen() -> str:
        await asyncio.sleep(0)
        return purpose()

    async def both() -> list[list[str]]:
        return await asyncio.gather(call("one"), call("two"))

    assert asyncio.run(both()) == [["inner", "one", "one"], ["inner", "two", "two"]]
    assert purpose() == ""
