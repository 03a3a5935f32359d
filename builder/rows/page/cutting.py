"""Long texts on a page: what is shown at once, what unfolds, and what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEAD_LINES, _HEAD_CHARS = 14, 3_000


@dataclass(frozen=True)
class Piece:
    """A run of text under one role; ``marked`` names a role other than its step's."""

    text: str
    marked: str = ""


@dataclass(frozen=True)
class Body:
    """What a step says: ``head`` at once, ``rest`` on request, ``num_cut`` characters not at all."""

    head: tuple[Piece, ...] = ()
    rest: tuple[Piece, ...] = ()
    num_rest_lines: int = 0
    num_cut: int = 0


def fair_limit(lengths: Iterable[int], most: int, total: int) -> int:
    """The largest bound, at most ``most``, under which texts of these lengths take at most ``total``."""
    ordered = sorted(lengths)
    room = total
    for place, length in enumerate(ordered):
        share = room // (len(ordered) - place)
        if min(length, most) > share:
            return share
        room -= min(length, most)
    return most


def cut(pieces: Sequence[Piece], limit: int, head_lines: int = HEAD_LINES) -> Body:
    """``pieces`` parted into what is shown at once, what unfolds, and what is left out beyond ``limit``."""
    text = "".join(piece.text for piece in pieces)
    kept = min(len(text), limit)
    head, line = 0, 0
    while head < kept and line < head_lines:
        head = text.find("\n", head, kept) + 1 or kept
        line += 1
    num_rest = text.count("\n", head, kept)
    if num_rest <= 3 and kept <= _HEAD_CHARS:
        head = kept
    head = min(head, _HEAD_CHARS)
    return Body(
        _between(pieces, 0, head),
        _between(pieces, head, kept),
        text.count("\n", head, kept) + (kept > head and text[kept - 1] != "\n"),
        len(text) - kept,
    )


def _between(pieces: Sequence[Piece], start: int, end: int) -> tuple[Piece, ...]:
    found, position = [], 0
    for piece in pieces:
        low, high = max(start - position, 0), min(end - position, len(piece.text))
        if low < high:
            found.append(Piece(piece.text[low:high], piece.marked))
        position += len(piece.text)
    return tuple(found)
