"""The files of a repository as Node and TypeScript look for them: extensions, folders, settings in JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from builder.repository import Repository
from builder.structure.paths import join, normalised, parents

_MAX_SETTINGS = 1_000_000  # characters
# What a file is compiled from, by the suffix that its importers write.
_COMPILED_FROM = {
    ".js": (".ts", ".tsx", ".d.ts", ".jsx"), ".jsx": (".tsx", ".d.ts"), ".mjs": (".mts", ".d.mts"),
    ".cjs": (".cts", ".d.cts"),
}  # fmt: skip
_SCRIPTS = (".js", ".jsx", ".mjs", ".cjs")
# Appended to what has no suffix: first Node's and TypeScript's own, then what bundlers are told to try.
_NODE = ("", ".js", ".json", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".mts", ".cts", ".d.ts")
_TYPESCRIPT = (".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mts", ".cts", ".mjs", ".cjs", ".json", "")
_TEXT = r'("(?:\\[\s\S]|[^"\\])*(?:"|\\?\Z))|'  # without its end too: else each quote would be tried anew
_NOISE = re.compile(_TEXT + r"//[^\n]*|/\*(?:[\s\S]*?\*/|[\s\S]*)")
_TRAILING_COMMA = re.compile(_TEXT + r",(?=\s*[}\]])")


class Files:
    """What there is at a path. ``typed`` asks as TypeScript does, which prefers sources and declarations."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.paths = frozenset(file.path for file in repository.files)
        self.folders = frozenset(folder for path in self.paths for folder in parents(path))

    def exact(self, path: str, typed: bool) -> str | None:
        """The file that ``path`` names in full. `a.js` may be written for the `a.ts` that gives it."""
        own = [path] if path in self.paths else []
        stem, dot, suffix = path.rpartition(".")
        compiled_from = _COMPILED_FROM.get(dot + suffix, ())
        sources = [stem + source for source in compiled_from if stem + source in self.paths]
        return next(iter([*sources, *own] if typed else [*own, *sources]), None)

    def file(self, path: str, typed: bool) -> str | None:
        """The file at ``path``, of which the suffix may be left out."""
        if path.endswith(_SCRIPTS) and (found := self.exact(path, typed)):
            return found
        suffixes = _TYPESCRIPT if typed else _NODE
        return next((path + suffix for suffix in suffixes if path and path + suffix in self.paths), None)

    def folder(self, path: str, typed: bool) -> str | None:
        """The file that stands for a folder: by its package.json, else its index."""
        if path not in self.folders:
            return None
        manifest = self.json(join(path, "package.json"))
        for field in ("types", "typings", "main", "module") if typed else ("main", "module"):
            entry = manifest.get(field)
            target = normalised(path, entry) if isinstance(entry, str) and entry else None
            if target and (found := self.file(target, typed) or self.file(join(target, "index"), typed)):
                return found
        return self.file(join(path, "index"), typed)

    def either(self, path: str, typed: bool) -> str | None:
        """The file at ``path``, else the one that stands for the folder."""
        return self.file(path, typed) or self.folder(path, typed)

    def json(self, path: str) -> dict[str, Any]:
        """An object in JSON, which may hold comments and trailing commas; ``{}`` for what is none."""
        source = self.text(path)
        try:
            value = json.loads(_TRAILING_COMMA.sub(_string, _NOISE.sub(_string, source)))
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def text(self, path: str) -> str:
        """The content of a file of settings, ``""`` where there is none."""
        content = self._repository.file(path).content if path in self.paths else ""
        return content if len(content) <= _MAX_SETTINGS else ""


def _string(match: re.Match[str]) -> str:
    return match[1] or " "
