"""What reads strangers' code may die, or take for ever: that costs one repository."""

from __future__ import annotations

import asyncio

import pytest

from builder.errors import FatalError
from builder.scale.reader import Reader, Unreadable
from builder.selection import SelectOptions
from tests.scale.conftest import write_project

OPTIONS = SelectOptions()


def test_a_killed_reader_is_started_again(tmp_path) -> None:
    root = str(write_project(tmp_path, 1))

    async def read() -> tuple[list[str], bool]:
        async with Reader() as reader:
            first = await reader.read(root, OPTIONS)
            child = reader._child
            assert child is not None
            child.kill()
            await child.wait()
            again = await reader.read(root, OPTIONS)
            return [list(first.order), list(again.order)], reader._child is not child

    (first, again), another = asyncio.run(read())
    assert first == again == ["part0.py", "part1.py", "whole.py"]
    assert another


def test_what_takes_too_long_is_left_out_and_the_next_one_read(tmp_path) -> None:
    root = str(write_project(tmp_path, 1))

    async def read() -> None:
        async with Reader(time_limit=0.001) as reader:
            with pytest.raises(Unreadable, match="takes longer than 0 s, 3 times"):
                await reader.read(root, OPTIONS)
            reader._time_limit = 60.0
            assert (await reader.survey(root, OPTIONS)).num_files == 3

    asyncio.run(read())


def test_what_is_wrong_with_a_repository_is_told_and_what_is_wrong_with_all_of_them_ends_it(
    tmp_path, monkeypatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("no folder")

    async def read(source: str) -> None:
        async with Reader() as reader:
            await reader.read(source, OPTIONS)

    with pytest.raises(Unreadable, match="no files in it"):
        asyncio.run(read(str(tmp_path / "empty")))
    monkeypatch.setenv("REPO2AGENT_CACHE", str(tmp_path / "file"))
    with pytest.raises(FatalError, match="downloads cannot be kept there"):
        asyncio.run(read(f"git+file://{tmp_path}@{'0' * 40}"))
