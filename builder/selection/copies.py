"""Near copies among single files: what is evaluated must not be, under other names, what was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from builder.repository import SourceFile
from builder.selection.sketch import opened, shingle_set, sketch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SKETCHES = 1 << 16  # compared with one at a time: 16 MB


def nearest_copies(
    files: Sequence[SourceFile], others: Sequence[SourceFile], threshold: float
) -> list[tuple[int, float] | None]:
    """For each of ``files`` which of ``others`` is most like it, and how much; None where nothing is.

    The likeness is the share of shingles of code that both have. Of all ``others``, sketches tell the nearest
    and whatever may be above ``threshold``; the likeness given is the true one. Equal contents are 1.0, also
    where there is too little code for a shingle.
    """
    import numpy as np

    equal = {file.sha256: number for number, file in reversed(list(enumerate(others)))}
    sketches = {n: text for n, other in enumerate(others) if (text := sketch([other], fewest=1))}
    numbers = list(sketches)
    matrix = np.stack([opened(text) for text in sketches.values()]) if sketches else None
    found: list[tuple[int, float] | None] = []
    for file in files:
        if file.sha256 in equal:
            found.append((equal[file.sha256], 1.0))
            continue
        text = sketch([file], fewest=1)
        if not text or matrix is None:
            found.append(None)
            continue
        own = opened(text)
        alike = np.concatenate(
            [(matrix[at : at + _SKETCHES] == own).mean(axis=1) for at in range(0, len(matrix), _SKETCHES)]
        )
        # A sketch is off by 0.044 at one half, in the mean: four times that is looked at as well.
        near = [int(n) for n in np.flatnonzero(alike >= threshold - 0.18)] or [int(alike.argmax())]
        shingles = shingle_set([file])
        exact = [(_likeness(shingles, shingle_set([others[numbers[n]]])), -numbers[n]) for n in near]
        likeness, number = max(exact)
        found.append((-number, likeness) if likeness else None)
    return found


def _likeness(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    import numpy as np

    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)
