"""Names of files and projects: which are fit to be written down, and what they say."""

from __future__ import annotations

import re
import unicodedata

_ARCHIVE_SUFFIX = re.compile(r"\.(?:tar(?:\.\w+)?|tgz|tbz2?|txz|zip|whl)$", re.IGNORECASE)
_VERSIONED = re.compile(r"(?P<name>.+?)-(?P<version>v?\d[\w.+!]*)(?:-.*)?")
_MAX_PATH = 4096  # what Linux opens
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, bidi marks, lone surrogates, line separators


def is_archive(name: str) -> bool:
    """Whether ``name`` ends as a tar or zip archive does."""
    return bool(_ARCHIVE_SUFFIX.search(name))


def split_version(name: str) -> tuple[str, str]:
    """Project and version of an archive's file name: ``("six", "1.17.0")`` for ``six-1.17.0.tar.gz``."""
    stem = _ARCHIVE_SUFFIX.sub("", name)
    if match := _VERSIONED.fullmatch(stem):
        return match["name"], match["version"]
    return stem, ""


def defect(path: str) -> str:
    """Why ``path`` can't stand in a repository, or ``""``."""
    if len(path) > _MAX_PATH:
        return f"path longer than {_MAX_PATH} characters"
    if any(unicodedata.category(char) in _UNPRINTABLE for char in path):
        try:
            path.encode()
        except UnicodeEncodeError:
            return "name is not UTF-8"
        return "control characters in name"
    parts = path.split("/")
    if ".." in parts or "" in parts[:-1] or re.match(r"[A-Za-z]:", path):
        return "path leaves the repository"
    if "\\" in path:
        return "backslash in name"
    return ""


def printable(path: str) -> str:
    """``path`` with what would disturb a terminal, JSON or UTF-8 escaped, cut where it is too long."""
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNPRINTABLE else char
        for char in path[:_MAX_PATH]
    )
