"""Splits by repository: every state of a project falls on the same side."""

from __future__ import annotations

import hashlib

SPLITS = ("train", "validation", "test")


def split_of(identity: str, validation: float, test: float) -> str:
    """The split of a repository, decided by a hash of its identity alone.

    ``validation`` and ``test`` are shares of all repositories, between 0 and 1 together.
    """
    if min(validation, test) < 0 or validation + test > 1:
        raise ValueError(f"shares of validation ({validation}) and test ({test}) must lie between 0 and 1")
    place = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") / 2**64
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"
