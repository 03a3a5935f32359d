"""tsconfig.json and jsconfig.json: what they say about where modules are and what is built from what."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from builder.structure.javascript.files import Files
from builder.structure.paths import join, normalised, parents

_MAX_EXTENDS = 32
_CONFIG_DIR = "${configDir}"


@dataclass(frozen=True)
class Config:
    """The options of one file with what it extends. Paths are relative to the repository."""

    base_url: str | None
    paths: dict[str, tuple[str, ...]]  # with at most one "*" on each side
    root_dirs: tuple[str, ...]
    outputs: tuple[str, ...]  # folders that it is built into
    root_dir: str | None
    conditions: tuple[str, ...]
    reads_javascript: bool

    def aliases(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The pattern of ``paths`` that fits best, an exact one or the longest prefix, and what it means.

        An empty pattern: none fits.
        """
        if name in self.paths:
            return name, self.paths[name]
        best = ""
        for pattern in self.paths:
            before, star, after = pattern.partition("*")
            fits = star and name.startswith(before) and name.endswith(after)
            is_longer = not best or len(before) > len(best.partition("*")[0])
            if fits and is_longer and len(name) >= len(before) + len(after):
                best = pattern
        if not best:
            return "", ()
        before, _, after = best.partition("*")
        held = name[len(before) : len(name) - len(after)]
        return best, tuple(target.replace("*", held, 1) for target in self.paths[best])


class Configs:
    """The configurations of a repository. ``package`` finds a package's folder by name, for `extends`."""

    def __init__(self, files: Files, package: Callable[[str, str], str | None]) -> None:
        self._files = files
        self._package = package
        self._merged: dict[str, dict[str, tuple[str, Any]]] = {}
        self._beside: dict[str, list[str]] = {}
        for path in sorted(files.paths):
            folder, _, name = path.rpartition("/")
            if name.startswith("tsconfig") and name.endswith(".json"):
                self._beside.setdefault(folder, []).append(path)

    def nearest(self, path: str) -> Config | None:
        """The configuration of a source: the nearest one around it, or the one that this refers to for it."""
        for folder in parents(path):
            for name in ("tsconfig.json", "jsconfig.json"):
                if (config := join(folder, name)) in self._files.paths:
                    return self._read(self._referred(config, path))
        return None

    def sources(self, folder: str, path: str) -> Iterator[str]:
        """What ``path`` is built from, by the configurations beside the manifest at ``folder``."""
        for config in (self._read(name) for name in self._beside.get(folder, ())):
            for output in config.outputs:
                if config.root_dir is None or not path.startswith(f"{output}/") or output == config.root_dir:
                    continue
                source = config.root_dir + path.removeprefix(output)
                for built, script in ((".d.ts", ".js"), (".d.mts", ".mjs"), (".d.cts", ".cjs")):
                    if source.endswith(built):
                        source = source.removesuffix(built) + script
                if found := self._files.exact(source.lstrip("/"), typed=True):
                    yield found

    @functools.cache  # noqa: B019 - lives for one call of `link`
    def _read(self, path: str) -> Config:
        options = self._options(path)
        leaf = path.rpartition("/")[0]

        def at(key: str) -> list[str]:
            folder, value = options.get(key, ("", None))
            return _placed(leaf, folder, value if isinstance(value, list) else [value])

        base_url = next(iter(at("baseUrl")), None)
        folder, mapping = options.get("paths", ("", {}))
        base = folder if base_url is None else base_url
        paths = {
            pattern: tuple(_placed(leaf, base, targets))
            for pattern, targets in (mapping.items() if isinstance(mapping, dict) else ())
            if isinstance(targets, list)
        }
        _, conditions = options.get("customConditions", ("", None))
        return Config(
            base_url=base_url,
            paths=paths,
            root_dirs=tuple(at("rootDirs")),
            outputs=(*at("outDir"), *at("declarationDir")),
            root_dir=next(iter(at("rootDir")), None) if "rootDir" in options else self._common_folder(path),
            conditions=tuple(_strings(conditions)),
            reads_javascript=path.endswith("jsconfig.json")
            or any(options.get(key, ("", False))[1] is True for key in ("allowJs", "checkJs")),
        )

    def _options(self, path: str, depth: int = 0) -> dict[str, tuple[str, Any]]:
        """Each option with the folder of the file that sets it, to which its paths are relative."""
        if path in self._merged or depth > _MAX_EXTENDS:
            return self._merged.get(path, {})
        self._merged[path] = {}  # ends a circle
        settings = self._files.json(path)
        folder = path.rpartition("/")[0]
        extended = settings.get("extends")
        merged: dict[str, tuple[str, Any]] = {}
        for name in _strings(extended if isinstance(extended, list) else [extended]):
            if base := self._extended(folder, name):
                merged |= self._options(base, depth + 1)
        merged |= {key: (folder, settings[key]) for key in ("include", "files") if key in settings}
        options = settings.get("compilerOptions")
        merged |= (
            {key: (folder, value) for key, value in options.items()} if isinstance(options, dict) else {}
        )
        self._merged[path] = merged
        return merged

    def _extended(self, folder: str, name: str) -> str | None:
        target: str | None
        if name.startswith("."):
            target = normalised(folder, name)
        else:
            parts = name.split("/")
            length = 2 if name.startswith("@") else 1
            package = self._package(join(folder, "tsconfig.json"), "/".join(parts[:length]))
            target = None if package is None else join(package, *(parts[length:] or ["tsconfig.json"]))
        names = (target, f"{target}.json", f"{target}/tsconfig.json") if target else ()
        return next((found for found in names if found in self._files.paths), None)

    def _referred(self, config: str, path: str) -> str:
        """A configuration without files of its own stands for those that it refers to."""
        settings = self._files.json(config)
        references = settings.get("references")
        if settings.get("files") != [] or settings.get("include") or not isinstance(references, list):
            return config
        folder = config.rpartition("/")[0]
        written = [entry.get("path") for entry in references if isinstance(entry, dict)]
        for target in _placed(folder, folder, written):
            found = target if target in self._files.paths else join(target, "tsconfig.json")
            if found in self._files.paths and self._covers(found, path):
                return found
        return config

    def _covers(self, config: str, path: str) -> bool:
        folder, included = self._options(config).get("include", (config.rpartition("/")[0], ["."]))
        return any(
            not start or path == start or path.startswith(start + "/") for start in _starts(folder, included)
        )

    def _common_folder(self, config: str) -> str | None:
        """`rootDir` where it is left out: the one folder that all sources are in."""
        folder, included = self._options(config).get("include", ("", None))
        starts = set(_starts(folder, included))
        return starts.pop() if len(starts) == 1 else None


def _starts(folder: str, patterns: Any) -> list[str]:
    """The folders above the first wildcard of each pattern."""
    found = []
    for pattern in _strings(patterns):
        parts = pattern.split("/")
        fixed = next((n for n, part in enumerate(parts) if "*" in part or "?" in part), len(parts))
        if (start := normalised(folder, "/".join(parts[:fixed]))) is not None:
            found.append(start)
    return found


def _placed(leaf: str, folder: str, values: list[Any]) -> list[str]:
    """Paths as the repository sees them; those that leave it are dropped."""
    places = [
        normalised(leaf, value.removeprefix(_CONFIG_DIR))
        if value.startswith(_CONFIG_DIR)
        else normalised(folder, value)
        for value in _strings(values)
    ]
    return [place for place in places if place is not None]


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
