"""How far a thought stands on the code: the names it uses that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from builder.structure import Blueprint

# What a reader takes for a name of the program: `quoted`, snake_case, camelCase, a call, an attribute.
_NAME = re.compile(
    r"`([A-Za-z_]\w*)[^`\n]*`|\b([A-Za-z]\w*_\w+)\b|\b([a-z]+[A-Z]\w*)\b|\b([A-Za-z_]\w*)(?=\()|\.([a-z_]\w{2,})\b"
)
_WORD = re.compile(r"[A-Za-z_]\w*")


def names_in(thought: str) -> set[str]:
    """The identifiers that a thought speaks of."""
    return {next(group for group in match if group) for match in _NAME.findall(thought)}


def words(texts: Iterable[str]) -> set[str]:
    """Every identifier-like word of ``texts``."""
    return {word for text in texts for word in _WORD.findall(text)}


def unknown_names(thought: str, texts: Iterable[str]) -> float:
    """Share of the names in ``thought`` that stand in none of ``texts``; 0 where it names nothing."""
    names = names_in(thought)
    return len(names - words(texts)) / len(names) if names else 0.0


def unknown_share(thought: str, path: str, blueprint: Blueprint) -> float:
    """As :func:`unknown_names`, against the file at ``path`` and what it depends on, their paths included."""
    known = (path, *blueprint.dependencies_of(path))
    return unknown_names(thought, [f"{other}\n{blueprint.repository.file(other).content}" for other in known])
