"""The licence and the copyright lines of each file.

A file's own word counts first: its header, or what REUSE puts beside it (a ``.license`` file,
``REUSE.toml``; https://reuse.software/spec-3.3). Where it says nothing, the nearest folder speaks that
declares a licence or holds its text, and at last the repository. A licence that is stated but cannot be read
leaves the file without one: it is not the repository's.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

from builder.repository import license
from builder.repository.filters import is_license_text
from builder.repository.globs import Glob
from builder.repository.headers import all_of, copyrights, leading_comments, stated_license
from builder.repository.secrets import redact

_SIDECAR = ".license"
_MAX_SIDECAR = 8_000  # characters
_REUSE = "REUSE.toml"
_MAX_ANNOTATIONS = 100  # each is tried on each file
_MAX_MANIFESTS = 10_000
_MAX_NAMES, _MAX_NAME = 20, 200  # of authors
_MAX_TEXTS = 200  # different licence texts: to tell which one a text is takes milliseconds


@dataclass(frozen=True)
class Notice:
    """A licence (``None`` where nothing is said, ``""`` where it cannot be read) and copyright lines."""

    license: str | None = None
    copyrights: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Annotation:
    globs: tuple[Glob, ...]
    precedence: str
    notice: Notice


class Attribution:
    """Gathers while a repository is read what speaks for its files, then answers for each of them."""

    def __init__(self) -> None:
        self._evidence: dict[str, dict[str, str]] = {}  # folder: name: text
        self._sidecars: dict[str, Notice] = {}
        self._annotations: list[_Annotation] = []
        self._texts: set[str] = set()
        self._num_manifests = 0

    def add(self, path: str, text: str) -> None:
        """Take note of the file at ``path``, whatever it is; the first of a name counts."""
        folder, _, name = path.rpartition("/")
        if path == _REUSE:
            self._annotations = _annotations(text)
        elif name.endswith(_SIDECAR) and name != _SIDECAR:
            text = text[:_MAX_SIDECAR]
            notice = Notice(stated_license([text]), copyrights(text.splitlines()))
            self._sidecars.setdefault(path.removesuffix(_SIDECAR), notice)
        elif license.is_evidence(path) and self._has_room(path, text):
            self._evidence.setdefault("", {}).setdefault(path, text)
        elif license.is_evidence(name) and self._has_room(path, text):
            self._evidence.setdefault(folder, {}).setdefault(name, text)

    def _has_room(self, path: str, text: str) -> bool:
        if is_license_text(path):
            self._texts |= {text} if len(self._texts) < _MAX_TEXTS else set()
            return text in self._texts
        self._num_manifests += 1
        return self._num_manifests <= _MAX_MANIFESTS

    @functools.cached_property
    def license(self) -> str:
        """The SPDX expression of the repository as a whole, or ``""``."""
        return license.detect(self._evidence.get("", {}))

    def of(self, path: str, text: str) -> tuple[str, tuple[str, ...]]:
        """Licence and copyright lines of the file at ``path``, without secrets and addresses."""
        notices = [self._sidecars[path]] if path in self._sidecars else []
        if not is_license_text(path):  # what stands in one is about others
            comments = leading_comments(text)
            notices.append(Notice(stated_license(comments), copyrights(_lines(comments))))
        if annotation := self._annotation(path):
            match annotation.precedence:
                case "override":
                    notices.insert(0, annotation.notice)
                case "aggregate":
                    notices = [_together([*notices, annotation.notice])]
                case _:
                    notices.append(annotation.notice)
        found = _first([*notices, *self._folders(path), self._root])
        return found.license or "", _redacted(found.copyrights)

    def _annotation(self, path: str) -> _Annotation | None:
        fitting = (
            entry for entry in reversed(self._annotations) if any(glob.fits(path) for glob in entry.globs)
        )
        return next(fitting, None)  # the last one, as REUSE has it

    def _folders(self, path: str) -> Iterable[Notice]:
        """What the folders around ``path`` say, the nearest first, without the root."""
        cut = len(path)
        while (cut := path.rfind("/", 0, min(cut, self._longest + 1))) > 0:
            if notice := self._by_folder.get(path[:cut]):
                yield notice

    @functools.cached_property
    def _longest(self) -> int:
        return max(map(len, self._evidence), default=0)

    @functools.cached_property
    def _root(self) -> Notice:
        return Notice(self.license, _holders(self._evidence.get("", {})))

    @functools.cached_property
    def _by_folder(self) -> dict[str, Notice]:
        return {folder: _of_folder(evidence) for folder, evidence in self._evidence.items() if folder}


def _of_folder(evidence: dict[str, str]) -> Notice:
    found = license.detect(evidence)
    silent = not found and not any(license.states_one(name, text) for name, text in evidence.items())
    return Notice(None if silent else found, _holders(evidence))


def _first(notices: Iterable[Notice]) -> Notice:
    """The first licence and the first copyright lines that one of ``notices`` gives."""
    notices = list(notices)
    return Notice(
        next((notice.license for notice in notices if notice.license is not None), None),
        next((notice.copyrights for notice in notices if notice.copyrights), ()),
    )


def _together(notices: Iterable[Notice]) -> Notice:
    notices = list(notices)
    licenses = [notice.license for notice in notices if notice.license is not None]
    lines = dict.fromkeys(line for notice in notices for line in notice.copyrights)
    return Notice(all_of(licenses) if licenses else None, tuple(lines))


def _lines(comments: Iterable[str]) -> Iterable[str]:
    return (line for comment in comments for line in comment.splitlines())


def _holders(evidence: dict[str, str]) -> tuple[str, ...]:
    """Whose copyright the licence texts of a folder name (not of those texts), else who its authors are."""
    lines = (
        line for name in sorted(evidence) if is_license_text(name) for line in evidence[name].splitlines()
    )
    found = copyrights(line for line in lines if _plain(line) not in _of_licenses())
    return found or tuple(f"Author: {name[:_MAX_NAME]}" for name in license.authors(evidence)[:_MAX_NAMES])


@functools.cache
def _of_licenses() -> frozenset[str]:
    """Every line of the licences' own texts, of which one may be about their authors' copyright."""
    from identify.vendor.licenses import LICENSES

    return frozenset(_plain(line) for _, text in LICENSES for line in text.splitlines())


def _plain(line: str) -> str:
    return " ".join(line.replace("http:", "https:").split())


@functools.lru_cache(maxsize=1024)
def _redacted(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(redact(line)[0] for line in lines)


def _annotations(text: str) -> list[_Annotation]:
    try:
        tables = tomllib.loads(text).get("annotations", [])
        return [_annotation(table) for table in tables[:_MAX_ANNOTATIONS]]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []  # broken metadata declares nothing


def _annotation(table: dict[str, object]) -> _Annotation:
    licenses = _strings(table.get("SPDX-License-Identifier"))
    notice = Notice(
        all_of(map(license.canonical, licenses)) if licenses else None,
        copyrights(
            f"SPDX-FileCopyrightText: {line}" for line in _strings(table.get("SPDX-FileCopyrightText"))
        ),
    )
    globs = tuple(map(_glob, _strings(table.get("path"))[:_MAX_ANNOTATIONS]))
    return _Annotation(globs, str(table.get("precedence", "closest")), notice)


def _strings(value: object) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value] if value else [])]


def _glob(pattern: str) -> Glob:
    """REUSE's globs know ``*`` and ``**`` only, and ``**`` may stand within a name."""
    literal = re.sub(r"[\[?]", r"[\g<0>]", pattern)
    return Glob("/" + re.sub(r"\*\*+(?=[^/*])", "**/*", literal))
