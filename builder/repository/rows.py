"""Rows of a code dataset as a source: one row a file, the rows of a repository together (as The Stack v2)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from builder.errors import UserError
from builder.repository.globs import ATTRIBUTES
from builder.repository.license import canonical
from builder.repository.names import printable
from builder.repository.reading import Entry, Limits
from builder.repository.tables import column, rows

PREFIX = "rows+"
COLUMNS = ("repo_name", "path", "content")
_OPTIONAL = ("revision_id", "detected_licenses")
_FORM = "rows+OWNER/NAME@PATH.parquet#FIRST-LAST, as the names of a dataset's repositories are written"
_RANGE = re.compile(r"(?P<path>.+)#(?P<first>\d{1,15})-(?P<last>\d{1,15})")
_BETWEEN = "|"  # ranges in several files


@dataclass(frozen=True)
class Range:
    """Rows of one parquet file, counted from 0, ``last`` included."""

    path: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.path}#{self.first}-{self.last}"


class Rows:
    """The files of one repository in a dataset: ``rows+OWNER/NAME@PATH.parquet#FIRST-LAST``.

    Several ranges, with ``|`` between them, where the repository's rows go on in the next file. Nothing but
    the row groups with these rows is read.
    """

    fetched = True

    @classmethod
    def accepts(cls, source: str) -> bool:
        return source.startswith(PREFIX)

    def __init__(self, source: str, cache: Path | None = None) -> None:  # noqa: ARG002 - nothing to download
        name, found, places = source.removeprefix(PREFIX).partition("@")
        matches = [_RANGE.fullmatch(place) for place in places.split(_BETWEEN)]
        ranges = [Range(match["path"], int(match["first"]), int(match["last"])) for match in matches if match]
        if not name or not found or len(ranges) < len(matches) or any(at.first > at.last for at in ranges):
            raise UserError(f"{source}: not rows of a dataset; write {_FORM}")
        self.name = unquote(name)
        self.identity = printable(self.name)
        self.ranges = tuple(ranges)
        self._revision = ""

    def revision(self) -> str:
        return self._revision

    def fingerprint(self) -> str:
        return ""

    def entries(self, limits: Limits) -> Iterator[Entry]:  # noqa: ARG002 - the reader counts
        """Row by row, ``.gitattributes`` first; where there is none, nothing is read twice."""
        if any(path == ATTRIBUTES for path in self._paths()):
            yield from (entry for entry in self._entries() if entry.path == ATTRIBUTES)
            yield from (entry for entry in self._entries() if entry.path != ATTRIBUTES)
        else:
            yield from self._entries()

    def _paths(self) -> Iterator[Any]:
        for at in self.ranges:
            yield from (row.get("path") for row in rows(at.path, ("path",), at.first, at.last))

    def _entries(self) -> Iterator[Entry]:
        for at in self.ranges:
            number = at.first
            for row in rows(at.path, COLUMNS + _OPTIONAL, at.first, at.last):
                if row.get("repo_name") != self.name:
                    raise UserError(
                        f"{at.path}: row {number} is not of {self.identity}: it has changed, list it anew"
                    )
                self._revision = self._revision or printable(str(row.get("revision_id") or ""))
                yield _entry(row)
                number += 1


def name_rows(name: str, ranges: Iterable[Range]) -> str:
    """How the rows of the repository ``name`` are written as a source."""
    return f"{PREFIX}{quote(name, safe='/')}@{_BETWEEN.join(map(str, ranges))}"


def repositories(path: str) -> Iterator[tuple[str, Range]]:
    """Each repository in a dataset's file with its rows; reads only the column of names.

    Rows without a name are passed over. ``UserError`` where a repository's rows do not lie together.
    """
    seen: set[bytes] = set()
    first = 0
    for name, group in groupby(column(path, COLUMNS[0])):
        after = first + sum(1 for _ in group)
        if isinstance(name, str) and name:
            key = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).digest()
            if key in seen:
                raise UserError(
                    f"{path}: row {first} is of {printable(name)} again, whose rows do not lie together; "
                    f"sort the dataset by {COLUMNS[0]}"
                )
            seen.add(key)
            yield name, Range(path, first, after - 1)
        first = after


def _entry(row: dict[str, Any]) -> Entry:
    content, path = row.get("content"), row.get("path")
    licenses = row.get("detected_licenses")
    stated = tuple(map(canonical, licenses)) if isinstance(licenses, list) else ()
    if not isinstance(path, str) or not path:
        return Entry("unnamed", obstacle="no path in its row")
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    if not isinstance(content, bytes):
        return Entry(path, obstacle="no content in its row")
    data: bytes = content
    return Entry(path, size=len(data), read=lambda limit: data[:limit], licenses=stated)
