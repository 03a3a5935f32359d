"""Where composer finds a class: the autoload rules of every composer.json of a repository.

A file sees the rules of its own package, and those of the packages here that its composer.json requires or
replaces. Where a package lies in another one that replaces it, or that loads classes from around it, it sees
what that one sees too: a monorepo. ``autoload-dev`` counts in a package and around it only, and not for what
``autoload`` loads: that works without it.
"""

from __future__ import annotations

import bisect
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from builder.repository import Repository
from builder.structure.paths import join, normalised, parents

_MAX_SETTINGS = 1_000_000  # characters
_MAX_STARS = 4  # in a pattern: each more may take as many times as long
_DEV = "\0dev"
_LINKS = ("require", "require-dev", "replace")
Rules = dict[str, dict[str, list[str]]]  # of a prefix, by the package whose rule it is, the folders


@dataclass(frozen=True)
class Scope:
    """The packages that one sees: its own rules first."""

    own: tuple[str, ...]
    others: frozenset[str]
    vendors: frozenset[str]  # of the packages that it requires from outside

    def pick(self, by_package: Mapping[str, Any]) -> Iterator[Any]:
        """The values of the packages that are seen, own ones first."""
        yield from (by_package[key] for key in self.own if key in by_package)
        few, many = sorted((by_package, self.others), key=len)
        yield from (by_package[key] for key in sorted(few) if key in many and key not in self.own)


@dataclass
class _Package:
    """One part of a composer.json: ``autoload`` or ``autoload-dev``."""

    prefixes: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # by psr-4 or psr-0
    classmap: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    def folders(self) -> Iterator[str]:
        yield from self.classmap
        for rules in self.prefixes.values():
            for folders in rules.values():
                yield from folders


class Packages:
    """The packages of a repository. ``classes`` are those that each file declares, in lower case."""

    def __init__(self, repository: Repository, classes: Mapping[str, frozenset[str]]) -> None:
        self._classes = classes
        self._paths = sorted(classes)
        self._folders = {folder for path in classes for folder in parents(path)}
        manifests = {
            file.path.rpartition("/")[0]: _settings(file.content)
            for file in repository.files
            if file.path.rpartition("/")[2] == "composer.json"
        }
        self._parts: dict[str, _Package] = {}
        for folder, manifest in manifests.items():
            for key, part in ((folder, "autoload"), (folder + _DEV, "autoload-dev")):
                package = _package(folder, _mapping(manifest.get(part)))
                if package.prefixes or package.classmap or package.files:
                    self._parts[key] = package
        self._scopes = _scopes(manifests, self._parts)
        self._prefixes: dict[str, Rules] = {"psr-4": {}, "psr-0": {}}
        for key, package in self._parts.items():
            for standard, rules in package.prefixes.items():
                for prefix, folders in rules.items():
                    self._prefixes[standard].setdefault(prefix, {})[key] = folders
        self._lengths = {
            standard: sorted({len(prefix) for prefix in rules}) for standard, rules in self._prefixes.items()
        }
        self._classmap: dict[str, dict[str, str]] = defaultdict(dict)
        for key, package in self._parts.items():
            for name, path in self._mapped(key.removesuffix(_DEV), package):
                self._classmap[name][key] = path if self._classmap[name].get(key, path) == path else ""
        self._homes: dict[str, Scope | None] = {}
        self._without_dev: dict[Scope, Scope] = {}
        # Of folders and files the rules that name them.
        self._loaded_by: dict[str, set[str]] = defaultdict(set)
        for key, package in self._parts.items():
            for place in (*package.folders(), *package.files):
                self._loaded_by[place].add(key)

    def scope(self, path: str) -> Scope | None:
        """What a file sees, ``None`` where no composer.json around it has rules."""
        folder = path.rpartition("/")[0]
        if folder not in self._homes:
            home = next((place for place in parents(path) if place in self._scopes), None)
            self._homes[folder] = None if home is None else self._scopes[home]
        scope = self._homes[folder]
        if scope is None:
            return None
        loading = (
            self._loaded_by[place] & set(scope.own)
            for place in (path, *parents(path))
            if place in self._loaded_by
        )
        nearest = next((keys for keys in loading if keys), None)
        is_installed = nearest is not None and not any(key.endswith(_DEV) for key in nearest)
        return self._installed(scope) if is_installed else scope

    def _installed(self, scope: Scope) -> Scope:
        """``scope`` without rules for development."""
        if scope not in self._without_dev:
            own = tuple(key for key in scope.own if not key.endswith(_DEV))
            self._without_dev[scope] = replace(scope, own=own)
        return self._without_dev[scope]

    def files(self) -> Iterator[tuple[str, str]]:
        """Each package with a file that is always loaded with it."""
        for key, package in self._parts.items():
            yield from ((key, path) for path in package.files)

    def find(self, scope: Scope, name: str) -> str | None:
        """The file that declares a class; ``""`` where it should be here and is not, ``None`` if outside."""
        for path in scope.pick(self._classmap.get(name.lower(), {})):
            return str(path)
        is_ours = False
        # A package from outside may share a prefix, but hardly a folder.
        is_shared = name.partition("\\")[0].lower() in scope.vendors
        for standard, rules in self._prefixes.items():
            lengths = self._lengths[standard]
            for length in reversed(lengths[: bisect.bisect_right(lengths, len(name))]):
                for folders in scope.pick(rules.get(name[:length], {})):
                    for folder in folders:
                        path = join(folder, _psr4(name, length) if standard == "psr-4" else _psr0(name))
                        is_ours |= length > 0 and (not is_shared or path.rpartition("/")[0] in self._folders)
                        if path in self._classes:
                            return path if name.lower() in self._classes[path] else ""
        return "" if is_ours else None

    def _mapped(self, home: str, package: _Package) -> Iterator[tuple[str, str]]:
        """The classes that a classmap's folders and files declare."""
        excluded = [re.compile(pattern) for pattern in package.excluded]
        for place in dict.fromkeys(package.classmap):
            for path in self._below(place):
                seen = "/" + path.removeprefix(home).lstrip("/")
                if not any(pattern.match(seen) for pattern in excluded):
                    yield from ((name, path) for name in self._classes[path])

    def _below(self, place: str) -> Iterator[str]:
        """The file or the files in the folder at ``place``."""
        for number in range(bisect.bisect_left(self._paths, place), len(self._paths)):
            path = self._paths[number]
            if not path.startswith(place):
                return
            if not place or path == place or path[len(place)] == "/":
                yield path


def _psr4(name: str, length: int) -> str:
    return name[length:].replace("\\", "/") + ".php"


def _psr0(name: str) -> str:
    namespace, separator, short = name.rpartition("\\")
    return (namespace + separator).replace("\\", "/") + short.replace("_", "/") + ".php"


def _scopes(manifests: Mapping[str, dict[str, Any]], parts: Mapping[str, _Package]) -> dict[str, Scope]:
    named: dict[str, list[str]] = defaultdict(list)
    for folder, manifest in manifests.items():
        named[str(manifest.get("name", "")).lower()].append(folder)
    scopes: dict[str, Scope] = {}
    for folder in sorted(manifests, key=len):  # what lies around it first
        manifest = manifests[folder]
        own = tuple(key for key in (folder, folder + _DEV) if key in parts)
        if not own:
            continue
        asked = {name.lower() for link in _LINKS for name in _mapping(manifest.get(link))}
        # Of two packages with one name none is meant for sure.
        linked = {named[name][0] for name in asked if len(named.get(name, ())) == 1}
        others = frozenset(linked)
        vendors = frozenset(name.partition("/")[0].replace("-", "") for name in asked if name not in named)
        for outer in parents(folder) if folder else ():
            if outer in scopes and _holds(outer, folder, manifests, parts):
                around = scopes[outer]
                others = around.others if others <= around.others else others | around.others
                vendors = around.vendors if vendors <= around.vendors else vendors | around.vendors
                own += tuple(key for key in around.own if key not in own)
                break
        scopes[folder] = Scope(own, others, vendors)
    return scopes


def _holds(
    outer: str, inner: str, manifests: Mapping[str, dict[str, Any]], parts: Mapping[str, _Package]
) -> bool:
    """Whether one package replaces another that lies in it, or loads classes from around it."""
    if str(manifests[inner].get("name", "")).lower() in _mapping(manifests[outer].get("replace")):
        return True
    packages = [parts[key] for key in (outer, outer + _DEV) if key in parts]
    around = {inner, *parents(inner)} - {outer, *parents(outer)}
    return any(folder in around for package in packages for folder in package.folders())


def _package(folder: str, rules: dict[str, Any]) -> _Package:
    package = _Package()
    for standard in ("psr-4", "psr-0"):
        prefixes = {
            prefix.lstrip("\\"): list(_folders(folder, written))
            for prefix, written in _mapping(rules.get(standard)).items()
            if standard == "psr-0" or not prefix or prefix.endswith("\\")
        }
        if prefixes:
            package.prefixes[standard] = prefixes
    package.classmap = list(_folders(folder, rules.get("classmap")))
    package.files = list(_folders(folder, rules.get("files")))
    package.excluded = [_pattern(written) for written in _texts(rules.get("exclude-from-classmap"))]
    return package


def _pattern(written: str) -> str:
    """A pattern of composer's: `**` for any folders, `*` for one; a folder means all below it."""
    parts = re.split(r"(\*\*/?|\*)", written.strip("/"))
    signs = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]+"}
    if len(parts) > 2 * _MAX_STARS:
        return "(?!)"
    return "/" + "".join(signs.get(part, re.escape(part)) for part in parts) + "(?:/|$)"


def _folders(base: str, written: Any) -> Iterator[str]:
    for place in _texts(written):
        found = normalised(base, place)
        if found is not None and not place.startswith("/"):
            yield found


def _texts(written: Any) -> list[str]:
    found = written if isinstance(written, list) else [written]
    return [item for item in found if isinstance(item, str)]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _settings(content: str) -> dict[str, Any]:
    if len(content) > _MAX_SETTINGS:
        return {}
    try:
        return _mapping(json.loads(content))
    except (ValueError, RecursionError):
        return {}
