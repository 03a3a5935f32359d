"""Repositories whose owners do not want them used."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from builder.errors import UserError

_MAGIC = re.compile(r"[*?\[]")


class OptOut:
    """Identities and patterns of them, upper and lower case alike, in a form that asks fast."""

    def __init__(self, entries: Iterable[str]) -> None:
        names = {name.lower() for entry in entries for name in _listed(entry)}
        self._names = {name for name in names if not _MAGIC.search(name)}
        self._patterns = [re.compile(fnmatch.translate(name)) for name in sorted(names - self._names)]

    def lists(self, identity: str) -> bool:
        """Whether ``identity`` is listed, in full or without the host or kind in front of it."""
        full = identity.lower()
        forms = {full, full.partition("/")[2]} if full.count("/") > 1 else {full}
        return not forms.isdisjoint(self._names) or any(
            pattern.match(form) for pattern in self._patterns for form in forms
        )


def _listed(entry: str) -> Iterator[str]:
    """A name or pattern, or those on the lines of a file; ``#`` starts a comment."""
    path = Path(entry).expanduser()
    if not path.is_file():
        if entry.startswith((".", "/", "~")) or entry.endswith((".txt", ".csv", ".list")):
            raise UserError(
                f"{entry}: no such file; opt_out takes identities, patterns of them, or files of these"
            )
        yield entry.strip()
        return
    try:
        for line in path.read_text("utf-8").splitlines():
            if name := line.partition("#")[0].strip():
                yield name
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{entry}: not a list that can be read ({error})") from None
