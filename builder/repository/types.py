"""What this room gives to the next one: a repository as text, and what was left out of it and why."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class SourceFile:
    """One included text file.

    ``content`` is the decoded text after redaction and is what every later room sees.
    ``original_sha256`` and ``num_bytes`` describe the bytes as they stood in the source.
    ``redactions`` are half-open character ranges of ``content`` that hold a placeholder.
    ``license`` is the SPDX expression under which the file itself stands, ``""`` where that is unknown;
    ``attribution`` holds the copyright lines that go with it, else the authors, without addresses.
    """

    path: str
    content: str
    encoding: str
    num_bytes: int
    original_sha256: str
    redactions: tuple[tuple[int, int], ...] = ()
    boilerplate: bool = False
    license: str = ""
    attribution: tuple[str, ...] = ()

    @property
    def num_redacted(self) -> dict[str, int]:
        """How many placeholders there are of each kind (``email``, ``aws-key``, …), by kind."""
        kinds = Counter(
            self.content[start:end].strip("[]").partition(":")[2] for start, end in self.redactions
        )
        return dict(sorted(kinds.items()))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the included content, encoded as UTF-8."""
        return hashlib.sha256(self.content.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class SkippedFile:
    """A file that was left out, with the reason in words."""

    path: str
    reason: str


@dataclass(frozen=True)
class Repository:
    """A repository as read from its source: files sorted by path, ``/`` between parts.

    ``identity`` names the project whatever its version (it decides the split); ``revision`` names this
    state of it; ``license`` is an SPDX expression, or ``""`` where none was found.
    """

    identity: str
    revision: str
    license: str
    files: tuple[SourceFile, ...]
    skipped: tuple[SkippedFile, ...] = ()

    def file(self, path: str) -> SourceFile:
        """The file at ``path``; ``KeyError`` where there is none."""
        return self._by_path[path]

    @cached_property
    def _by_path(self) -> dict[str, SourceFile]:
        return {file.path: file for file in self.files}
