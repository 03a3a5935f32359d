"""MinHash sketches of whole repositories."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING

from builder.repository import SourceFile
from builder.selection.lexing import shingles, token_codes
from builder.structure import detect

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NUM_PERM = 128
_LENGTH = 8  # tokens of a shingle
_FEWEST = 100  # different shingles, below which a likeness says nothing
_CHUNK = 1 << 12  # shingles at once: with 128 numbers for each of them they fit into the processor's cache


def sketch(files: Iterable[SourceFile], fewest: int = _FEWEST) -> str:
    """What tells near copies of these files' code, in base64: 128 numbers of 16 bits; ``""`` for too little,
    less than ``fewest`` different shingles.

    The lower half of each MinHash value is kept: it makes unlike values equal once in 65,536 times.
    """
    from datasketch import MinHash

    hashes = shingle_set(files)
    if len(hashes) < fewest:
        return ""
    # The scheme is named: another would give other numbers for the same code.
    minhash = MinHash(NUM_PERM, seed=1, hashfunc=int, scheme="affine32")
    for start in range(0, len(hashes), _CHUNK):
        minhash.update_batch(hashes[start : start + _CHUNK])
    low = (minhash.hashvalues & 0xFFFF).astype("<u2")
    return base64.b64encode(low.tobytes()).decode()


def shingle_set(files: Iterable[SourceFile]) -> NDArray[np.uint32]:
    """Hashes of the different shingles of these files' code, sorted."""
    import numpy as np

    found = [shingles(token_codes(file.content, detect(file.path, file.content)), _LENGTH) for file in files]
    hashes = np.concatenate([np.zeros(0, np.uint64), *found])
    hashes = np.sort((hashes >> np.uint64(32)).astype(np.uint32))
    # np.unique takes ten times as long.
    return hashes[np.flatnonzero(np.diff(hashes, prepend=~hashes[:1]))]


def opened(text: str) -> NDArray[np.uint16]:
    """The numbers of a sketch."""
    import numpy as np

    return np.frombuffer(base64.b64decode(text), "<u2")
