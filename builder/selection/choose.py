"""The step that sees all repositories: of copies, the first one stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from builder.selection.options import SelectOptions
from builder.selection.record import Record
from builder.selection.sketch import NUM_PERM, opened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MISSED = 0.1  # share of pairs at the very threshold that banding may overlook
_BEFORE = 8  # of those with an equal band, how many earlier ones each is held against
_PAIRS = 1 << 16  # compared at once


def choose(records: Iterable[Record], options: SelectOptions) -> list[Record]:
    """``records`` in their order; those that repeat an earlier one get a reason and say which.

    What has a reason already neither stays nor stands against others. Needs 256 bytes a record beside them.
    """
    chosen = list(records)
    first: dict[str, int] = {}
    rest = []
    for at, record in enumerate(chosen):
        if record.reason:
            continue
        original = first.setdefault(record.digest, at) if record.digest else at
        if original == at:
            rest.append(at)
        else:
            words = f"the same contents as {_called(chosen[original])}"
            chosen[at] = replace(record, reason="duplicate", detail=words)
    if options.near_duplicates:
        rest = [at for at in rest if chosen[at].sketch]
        for copy, original, likeness in _copies([chosen[at].sketch for at in rest], options.near_duplicates):
            words = f"near-duplicate of {_called(chosen[rest[original]])}, {likeness:.2f}"
            chosen[rest[copy]] = replace(chosen[rest[copy]], reason="near-duplicate", detail=words)
    return chosen


def _called(record: Record) -> str:
    return f"{record.repository}@{record.revision}" if record.revision else record.repository


def _copies(sketches: list[str], threshold: float) -> Iterator[tuple[int, int, float]]:
    """Copies with the first original that each is like, by ascending number."""
    import numpy as np

    if not sketches:
        return
    matrix = np.stack([opened(text) for text in sketches])
    earlier: dict[int, set[int]] = defaultdict(set)
    for copy, original in _candidates(matrix, threshold):
        earlier[copy].add(original)
    copy_of: dict[int, int] = {}
    for at in sorted(earlier):
        for original in sorted({copy_of.get(before, before) for before in earlier[at]}):
            likeness = float((matrix[at] == matrix[original]).mean())
            if likeness >= threshold:
                copy_of[at] = original
                yield at, original, likeness
                break


def _candidates(matrix: NDArray[np.uint16], threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs, the later one first, that share a band of numbers and are like enough; some repeatedly."""
    import numpy as np

    width = _band_width(threshold)
    for start in range(0, NUM_PERM - width + 1, width):
        band = np.ascontiguousarray(matrix[:, start : start + width])
        keys = band.view(np.dtype((np.void, band.itemsize * width))).ravel()
        order = np.argsort(keys, kind="stable")  # equal ones in the order of records
        for back in range(1, _BEFORE + 1):
            later, before = order[back:], order[:-back]
            same = keys[later] == keys[before]
            later, before = later[same], before[same]
            for part in range(0, len(later), _PAIRS):
                some, others = later[part : part + _PAIRS], before[part : part + _PAIRS]
                alike = (matrix[some] == matrix[others]).mean(axis=1) >= threshold
                yield from zip(some[alike].tolist(), others[alike].tolist(), strict=True)


def _band_width(threshold: float) -> int:
    """The widest band by which pairs at the threshold are still found: wider ones give fewer candidates."""

    def found(width: int) -> float:
        return 1 - (1 - threshold**width) ** (NUM_PERM // width)

    return next((width for width in range(8, 1, -1) if found(width) >= 1 - _MISSED), 1)
