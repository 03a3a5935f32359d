"""package.json and workspaces: which package a name means for a file, and which file a package gives."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from builder.structure.javascript.files import Files
from builder.structure.paths import join, normalised, parents

_MAX_NESTING = 16  # of conditions and alternatives
_MAX_YAML = 20_000  # characters: the parser is slow
_PNPM = "pnpm-workspace.yaml"
_DEPENDENCIES = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
_LINKED = ("file:", "link:", "portal:")
# Conditions for other platforms: no stand-in for what the importer would get.
_PLATFORMS = {"browser", "worker", "workerd", "react-native", "deno", "bun", "edge-light", "electron"}
_RANGE = re.compile(r"[~^=v]*(\d+)(?:\.(\d+))?[\w.+-]*")


class Packages:
    """The packages of a repository by the folders of their manifests."""

    def __init__(self, files: Files) -> None:
        self._files = files
        names = [path for path in files.paths if path.rpartition("/")[2] == "package.json"]
        self.manifests = {path.rpartition("/")[0]: files.json(path) for path in sorted(names)}
        self._pnpm = {folder for folder in files.folders if join(folder, _PNPM) in files.paths}
        self._workspaces = {
            folder: members
            for folder in sorted({*self.manifests, *self._pnpm})
            if (members := self._members(folder))
        }

    def nearest(self, path: str) -> str | None:
        """The folder of the package that a file belongs to."""
        return next((folder for folder in parents(path) if folder in self.manifests), None)

    def declares(self, path: str, name: str) -> bool:
        """Whether a package around a file lists ``name`` among its dependencies."""
        return any(name in self._dependencies(folder) for folder in parents(path))

    def itself(self, path: str, name: str) -> str | None:
        """The folder of the package around a file, if that is its name and it says what it exports."""
        folder = self.nearest(path)
        manifest = self.manifests.get(folder or "", {})
        return folder if manifest.get("name") == name and "exports" in manifest else None

    def linked(self, path: str, name: str) -> str | None:
        """The folder here that ``node_modules`` would link to for a file that asks for ``name``.

        Packages see each other in a workspace, or by a dependency such as `file:../other`. Whoever asks for
        another version than the workspace has gets that from the registry.
        """
        for folder in parents(path):
            written = self._dependencies(folder).get(name, "")
            if written.startswith(_LINKED):
                target = normalised(folder, written.partition(":")[2])
                return target if target in self.manifests else None
        own = self.nearest(path) or ""
        asked = self._dependencies(own).get(name)
        for root in parents(path):
            members = self._workspaces.get(root, {})
            if (member := members.get(name)) is None:
                continue
            if own != root and own not in members.values():
                if asked is not None:
                    return None  # installs its own
            elif (
                root in self._pnpm
                and own != member
                and asked is None
                and name not in self._dependencies(root)
            ):
                return None  # pnpm links to each package what it lists
            return member if _accepts(asked or "", self.manifests[member].get("version")) else None
        return None

    def entries(self, folder: str, subpath: str, conditions: tuple[str, ...]) -> list[str]:
        """The files that a package gives for ``subpath`` ("." or "./…"), as its `exports` have them.

        The first is what the importer gets; the others, what the same place is under other conditions.
        """
        exports = self.manifests[folder].get("exports")
        if not isinstance(exports, dict) or not any(key.startswith(".") for key in exports):
            exports = {".": exports}
        return _targets(folder, exports, subpath, conditions)

    def internal(self, path: str, name: str, conditions: tuple[str, ...]) -> tuple[list[str], str]:
        """The files, or the outside name, that `#name` stands for by the `imports` of a file's package."""
        folder = self.nearest(path)
        imports = self.manifests.get(folder or "", {}).get("imports")
        if folder is None or not isinstance(imports, dict):
            return [], ""
        value, held = _match(imports, name)
        chosen = [target.replace("*", held) for target in _chosen(value, conditions)]
        outside = next((target for target in chosen[:1] if not target.startswith((".", "/"))), "")
        return ([] if outside else _targets(folder, imports, name, conditions)), outside

    def _dependencies(self, folder: str) -> dict[str, str]:
        manifest = self.manifests.get(folder, {})
        groups = [group for key in _DEPENDENCIES if isinstance(group := manifest.get(key), dict)]
        return {name: wanted for group in groups for name, wanted in group.items() if isinstance(wanted, str)}

    def _members(self, root: str) -> dict[str, str]:
        """The packages of the workspace at ``root`` by name, without those that share a name."""
        patterns = list(self._patterns(root))
        if not patterns:
            return {}
        members: dict[str, list[str]] = {}
        dropped = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
        for folder, manifest in self.manifests.items():
            relative = folder.removeprefix(root).lstrip("/")
            is_inside = not root or folder == root or folder.startswith(f"{root}/")
            is_member = any(_fits(glob, relative) for glob in patterns)
            is_member = is_member and not any(_fits(glob, relative) for glob in dropped)
            if is_inside and (is_member or folder == root) and isinstance(name := manifest.get("name"), str):
                members.setdefault(name, []).append(folder)
        return {name: folders[0] for name, folders in members.items() if len(folders) == 1}

    def _patterns(self, root: str) -> Iterator[str]:
        declared = self.manifests.get(root, {}).get("workspaces")
        yield from _strings(declared.get("packages") if isinstance(declared, dict) else declared)
        yield from _strings(self._files.json(join(root, "lerna.json")).get("packages"))
        written = self._files.text(join(root, _PNPM))
        try:
            pnpm = yaml.safe_load(written) if len(written) <= _MAX_YAML else None
        except (yaml.YAMLError, RecursionError, ValueError):
            return
        yield from _strings(pnpm.get("packages") if isinstance(pnpm, dict) else None)


def _targets(folder: str, table: dict[str, Any], key: str, conditions: tuple[str, ...]) -> list[str]:
    value, held = _match(table, key)
    written = [*_chosen(value, conditions), *_chosen(value, None)]
    places = [normalised(folder, target.replace("*", held)) for target in written if target.startswith("./")]
    return list(dict.fromkeys(place for place in places if place))


def _match(table: dict[str, Any], key: str) -> tuple[Any, str]:
    """Node's PACKAGE_IMPORTS_EXPORTS_RESOLVE: the exact key, else the longest part before a "*"."""
    if key in table and "*" not in key:
        return table[key], ""
    best, held = "", ""
    for pattern in table:
        before, star, after = pattern.partition("*")
        if not star and pattern.endswith("/"):  # a whole folder, as Node 16 still had it
            star = "*"
        fits = (
            star and key.startswith(before) and key.endswith(after) and len(key) >= len(before) + len(after)
        )
        is_better = (len(before), len(pattern)) > (len(best.partition("*")[0]), len(best))
        if fits and key != before and is_better:
            best, held = pattern, key[len(before) : len(key) - len(after)]
    value = table.get(best) if best else None
    return (f"{value}*" if isinstance(value, str) and best.endswith("/") else value), held


def _chosen(value: Any, conditions: tuple[str, ...] | None, depth: int = 0) -> Iterator[str]:
    """The targets under these conditions; under ``None`` those of all but other platforms."""
    if isinstance(value, str):
        yield value
    elif depth == _MAX_NESTING:
        return
    elif isinstance(value, list):
        for item in value:
            yield from _chosen(item, conditions, depth + 1)
    elif isinstance(value, dict):
        for condition, item in value.items():
            if condition not in _PLATFORMS if conditions is None else condition in conditions:
                yield from _chosen(item, conditions, depth + 1)


def _accepts(wanted: str, version: Any) -> bool:
    """Whether a workspace's version may be what is wanted; ``False`` only where that is plain."""
    if wanted.startswith(("npm:", "git", "http", "github:")):
        return False
    has, asks = _RANGE.fullmatch(version) if isinstance(version, str) else None, _RANGE.fullmatch(wanted)
    if has is None or asks is None:
        return True
    significant = 1 if asks[1] != "0" or not asks[2] else 2
    return has.groups()[:significant] == asks.groups()[:significant]


def _fits(pattern: str, folder: str) -> bool:
    """Whether a glob names a folder; `**` stands for any number of folders. Never backtracks."""
    parts = pattern.removeprefix("./").strip("/").split("/")

    def reachable(states: Iterable[int]) -> set[int]:
        found = set(states)
        for state in range(min(found, default=0), len(parts)):
            if state in found and parts[state] == "**":
                found.add(state + 1)
        return found

    states = reachable([0])
    for part in folder.split("/"):
        inner = {state for state in states if state < len(parts)}
        stay = {state for state in inner if parts[state] == "**"}
        states = reachable(stay | {state + 1 for state in inner if fnmatch.fnmatchcase(part, parts[state])})
    return len(parts) in states


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
