"""Where a compiler would look for headers: from ``compile_commands.json``, build files and convention."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from builder.repository import Repository
from builder.structure.paths import normalised, parents

_BUILD_FILE = re.compile(
    r"(?:GNU)?[Mm]akefile[^/]*|[^/]*\.(?:mk|mak|cmake|gypi?)|CMakeLists\.txt|configure\.(?:ac|in)|meson\.build"
    r"|\w*(?:setup|build|config|make)\w*\.(?:py|cfg|sh)|pyproject\.toml|SCons\w+|wscript|BUILD(?:\.bazel)?"
)
_FLAG = re.compile(r"(?:^|[\s\"'=])-I\s?[\"']?([^\s\"',;)\]]+(?:\)[^\s\"',;)\]]*)?)")
_LIST = re.compile(
    r"(?P<target>target_)?include(?:s|[_-]?paths?|[_-]?dir(?:s|ectories)?)\b(?:[^\n(\[=]{0,40}[(\[=]+|\s+(?=[\"$]))\s*"
    r"(?P<words>[^)\]]*)",
    re.IGNORECASE,
)
_PYTHON_JOIN = re.compile(r"[\w.]*\bjoin\(([^()]*)\)")
_LITERAL = re.compile(r"[\"']([^\"']*)[\"']")
_VARIABLE = re.compile(r"\$<\w+:|\$[({][\w.]+[)}]|\$\w+|@\w+@")
_ASSIGNMENT = re.compile(
    r"^[ \t]*(?:set\s*\(\s*(\w+)\s+\"?([^\s\"()]+)\"?\s*\)|(\w+)[ \t]*[:?]?=[ \t]*(\S+)[ \t]*$)", re.I | re.M
)
_USE = re.compile(r"\$[({](\w+)[)}]")
_MAX_BUILD_FILE = 1_000_000  # characters
_OPTION = re.compile(r"-(I|iquote|isystem|idirafter)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Search:
    """The folders of one compiler call, in its order; all within the repository."""

    quote: tuple[str, ...]  # only for the form with quotes, before the others
    angle: tuple[str, ...]


def compile_commands(repository: Repository) -> dict[str, tuple[Search, ...]]:
    """The searches of each source that a compilation database in the repository names."""
    paths = {file.path for file in repository.files}
    searches: dict[str, tuple[Search, ...]] = {}
    for file in repository.files:
        if file.path.rpartition("/")[2] == "compile_commands.json":
            entries = list(_entries(file.content, file.path.rpartition("/")[0]))
            checkout = _checkout((source for source, _, _ in entries), paths)
            for source, folder, arguments in entries:
                inside = _inside(source, checkout)
                if inside in paths:
                    found = _search(arguments, folder, checkout)
                    searches[inside] = tuple(dict.fromkeys((*searches.get(inside, ()), found)))
    return searches


def _entries(content: str, home: str) -> Iterator[tuple[str, str, list[str]]]:
    """Source, folder and arguments of each call. Relative folders are taken from the database's own."""
    try:
        database = json.loads(content)
    except (ValueError, RecursionError):
        return
    for entry in database if isinstance(database, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            continue
        folder = posixpath.join(home, str(entry.get("directory", "")))
        yield posixpath.normpath(posixpath.join(folder, entry["file"])), folder, _arguments(entry)


def _arguments(entry: dict[str, Any]) -> list[str]:
    arguments = entry.get("arguments")
    if isinstance(arguments, list):
        return [str(argument) for argument in arguments]
    try:
        return shlex.split(str(entry.get("command", "")))
    except ValueError:
        return []


def _checkout(sources: Iterable[str], paths: set[str]) -> str:
    """Where the repository lay when the database was written: what most sources agree on."""
    votes: Counter[str] = Counter()
    for source in sources:
        parts = source.split("/")
        for number in range(len(parts)):
            if "/".join(parts[number:]) in paths:
                votes["/".join(parts[:number])] += 1
    return min(votes, key=lambda prefix: (-votes[prefix], len(prefix), prefix), default="")


def _inside(path: str, checkout: str) -> str | None:
    path = posixpath.normpath(path)
    if path == (checkout or "."):
        return ""
    if not checkout:
        return None if path.startswith(("/", "..")) else path
    return path[len(checkout) + 1 :] if path.startswith(checkout + "/") else None


def _search(arguments: list[str], folder: str, checkout: str) -> Search:
    found: dict[str, list[str]] = {"I": [], "iquote": [], "isystem": [], "idirafter": []}
    rest = iter(arguments)
    for argument in rest:
        if match := _OPTION.fullmatch(argument):
            written = match[2] or next(rest, "")
            inside = _inside(posixpath.join(folder, written), checkout)
            if inside is not None:
                found[match[1]].append(inside)
    return Search(tuple(found["iquote"]), (*found["I"], *found["isystem"], *found["idirafter"]))


def declared(repository: Repository) -> dict[str, tuple[str, ...]]:
    """Include folders that build files name as such, by the folder of the build file.

    Build files are searched for words, never run: ``-Ifolder``, and what stands in lists called
    ``include_directories``, ``include_dirs`` and the like, with the variables of the same file. A word counts
    if it is a folder of the repository, seen from the build file, or from the root where a variable stood
    before it.
    """
    inhabited = {folder for file in repository.files for folder in parents(file.path)}
    roots: dict[str, dict[str, None]] = {}
    for file in repository.files:
        home, _, name = file.path.rpartition("/")
        if not _BUILD_FILE.fullmatch(name) or len(file.content) > _MAX_BUILD_FILE:
            continue
        for word in _words(file.content):
            plain = _VARIABLE.sub("", word)
            bases = (home, "") if plain not in ("", word) else (home,)
            found = [normalised(base, plain.strip("/>") or ".") for base in bases]
            hits = dict.fromkeys(folder for folder in found if folder is not None and folder in inhabited)
            roots.setdefault(home, {}).update(hits)
    return {home: tuple(folders) for home, folders in roots.items() if folders}


def _words(content: str) -> Iterator[str]:
    values = {name or other: value or what for name, value, other, what in _ASSIGNMENT.findall(content)}
    content = _USE.sub(lambda match: values.get(match[1], match[0]), content)
    yield from _FLAG.findall(content)
    content = _PYTHON_JOIN.sub(lambda match: "/".join(_LITERAL.findall(match[1])), content)
    for match in _LIST.finditer(content):
        words = re.findall(r"[^\s\"',;()\[\]]+", match["words"])
        yield from words[1:] if match["target"] else words
