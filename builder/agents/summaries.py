"""Large repositories in few words: files are summed up folder by folder until they fit into a prompt."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

# Sums up lines about a part of the repository: place, lines, and a number that tells calls for it apart.
Summarise = Callable[[str, str, int], Awaitable[str]]
_MIN_GROUP = 2  # lines: else nothing would ever get shorter


def tree(paths: Sequence[str], max_chars: int) -> str:
    """``paths``, one a line; where they do not fit, folders with their number of files, as deep as fits."""
    listed = "\n".join(paths)
    depth = max((path.count("/") for path in paths), default=0)
    while len(listed) > max_chars and depth > 0:
        counts: dict[str, int] = defaultdict(int)
        for path in paths:
            parts = path.split("/")
            counts["/".join(parts[:depth]) + "/" if len(parts) > depth else path] += 1
        listed = "\n".join(
            f"{place} ({count} files)" if place.endswith("/") else place for place, count in counts.items()
        )
        depth -= 1
    return listed


def folders(paths: Collection[str]) -> list[str]:
    """The folders that are summed up: those with more than one entry, the root aside."""
    return sorted(folder for folder, entries in _entries(paths).items() if folder and len(entries) > 1)


async def overview(purposes: Mapping[str, Awaitable[str]], summarise: Summarise, max_chars: int) -> list[str]:
    """Lines on the repository's top level, a file or folder each, from what its files are for.

    Each folder is summed up from its entries as soon as all of them are, ``max_chars`` of lines at a time.
    """
    entries = _entries(purposes)

    async def line(place: str) -> str:
        if place in purposes:
            text = await purposes[place]
        elif len(entries[place]) == 1:
            return await line(entries[place][0])
        else:
            text = await shortened(place, await lines(place))
        return f"- {place}: {' '.join(text.split())}" if text.strip() else f"- {place}"

    async def lines(folder: str) -> list[str]:
        return list(await asyncio.gather(*(line(entry) for entry in entries[folder])))

    async def shortened(folder: str, found: list[str]) -> str:
        number = 0
        while True:
            parts = groups(found, max_chars)
            calls = [summarise(folder, "\n".join(part), number + place) for place, part in enumerate(parts)]
            answers = list(await asyncio.gather(*calls))
            if len(parts) == 1:
                return answers[0]
            number += len(parts)
            found = [f"- {' '.join(answer.split())}" for answer in answers if answer.strip()] or found[:1]

    top = await lines("")
    if len("\n".join(top)) > max_chars:
        top = [await shortened("the project", top)]
    return top


def groups(lines: Sequence[str], max_chars: int) -> list[list[str]]:
    """``lines`` in stretches of at most ``max_chars``, but of two lines at least where there are two."""
    found: list[list[str]] = [[]]
    length = 0
    for line in lines:
        if length + len(line) > max_chars and len(found[-1]) >= _MIN_GROUP:
            found.append([])
            length = 0
        found[-1].append(line)
        length += len(line) + 1
    return found


def _entries(paths: Collection[str]) -> dict[str, list[str]]:
    """What stands in each folder: files, then folders, each in order; the root is ``""``."""
    inside: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        place = path
        while place:
            folder = place.rpartition("/")[0]
            inside[folder].add(place)
            place = folder
    return {folder: sorted(entries, key=lambda e: (e not in paths, e)) for folder, entries in inside.items()}
