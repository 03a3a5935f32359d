"""What is kept of a repository to choose by: a few hundred bytes, whatever its size."""

from __future__ import annotations

from dataclasses import dataclass, field

REASONS = (
    "opt-out",
    "unreadable",
    "license",
    "benchmark",
    "size",
    "language",
    "duplicate",
    "near-duplicate",
    "failed",  # it stays, and then a fault of ours is in the way
)


@dataclass(frozen=True)
class Record:
    """One source as :func:`survey` saw it. ``asdict`` of it is JSON.

    ``source`` is what was asked for, to be read again: of a git URL it keeps the password.
    ``reason`` is ``""`` for what stays, else one of ``REASONS``, and ``detail`` says it in words. Numbers are
    of the files that would be included; ``code`` means languages whose structure is read. ``digest`` is the
    same for the same contents whatever their names; ``sketch`` (base64, ``""`` for too little code) tells
    near copies.
    """

    source: str
    repository: str = ""
    revision: str = ""
    license: str = ""
    num_files: int = 0
    num_bytes: int = 0
    num_code_files: int = 0
    num_code_bytes: int = 0
    languages: dict[str, int] = field(default_factory=dict)  # bytes by name, sorted
    reason: str = ""
    detail: str = ""
    num_contaminated: int = 0  # files left out for a benchmark's passages
    digest: str = ""
    sketch: str = ""
