"""Imports of JavaScript and TypeScript resolved to files by Node's and TypeScript's own rules.

A relative name means a file, with or without its suffix, or a folder's entry. Any other name is tried as an
alias of the nearest tsconfig.json, as Node's own module, below `baseUrl`, as the package around the file, and
as a package that a workspace links; whatever is left is outside, and never lands on a file of that name here.

A package's entry is often built and not in the repository. Then that file counts which the package names for
the same place under another condition (such as `source`), or which a tsconfig.json beside its manifest builds
the entry from (`outDir` back to `rootDir`), or its `source`. Without any of these the import is unresolved.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from builder.repository import Repository
from builder.structure.javascript.files import Files
from builder.structure.javascript.packages import Packages
from builder.structure.javascript.tsconfig import Config, Configs
from builder.structure.languages import Facts, Found, Links
from builder.structure.paths import normalised

_OUTSIDE = ""
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*:")
_TYPED = (".ts", ".tsx", ".mts", ".cts")
_BUILTIN = {
    "assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto",
    "dgram", "diagnostics_channel", "dns", "domain", "events", "fs", "http", "http2", "https", "inspector",
    "module", "net", "os", "path", "perf_hooks", "process", "punycode", "querystring", "readline", "repl",
    "stream", "string_decoder", "sys", "timers", "tls", "trace_events", "tty", "url", "util", "v8", "vm",
    "wasi", "worker_threads", "zlib",
}  # fmt: skip


def link(facts: Mapping[str, Facts], repository: Repository) -> Links:
    """Resolve every import of ``facts``."""
    resolver = _Resolver(repository)
    found = Found()
    for path, known in facts.items():
        for wanted in known.imports:
            target = resolver.resolve(path, wanted.module, wanted.form == "require")
            if target is None:
                found.unresolved.add((path, wanted.module))
            elif target == _OUTSIDE:
                name = wanted.module.removeprefix("node:")
                found.external.add(name if _SCHEME.match(name) else _package(name)[0])
            else:
                found.edge(path, target, wanted.kind)
    return found.links()


class _Resolver:
    def __init__(self, repository: Repository) -> None:
        self._files = Files(repository)
        self._packages = Packages(self._files)
        self._configs = Configs(self._files, self._packages.linked)

    def resolve(self, path: str, name: str, is_require: bool) -> str | None:
        """The file meant, ``""`` for what is outside, or ``None``: missing."""
        if name.startswith(("./", "../")) or name in (".", ".."):
            return self._relative(path, name)
        if name.startswith("#"):
            return self._aliased(path, name) or self._internal(path, name, is_require)
        if _SCHEME.match(name):
            return _OUTSIDE
        return None if name.startswith("/") else self._bare(path, name, is_require)

    def _relative(self, path: str, name: str) -> str | None:
        typed = path.endswith(_TYPED)
        folder = path.rpartition("/")[0]
        for written in (name, name.partition("?")[0]):  # bundlers take options behind a "?"
            place = normalised(folder, written)
            if place is None:
                return None
            is_folder = written.endswith(("/", "/.", "/..")) or written in (".", "..")
            places = [place, *self._merged(path, place)]
            for place in places:
                found = None if is_folder else self._files.file(place, typed)
                if found := found or self._files.folder(place, typed):
                    return found
        return None

    def _merged(self, path: str, place: str) -> list[str]:
        """The same place in the other folders that `rootDirs` makes one of."""
        config = self._config(path)
        roots = config.root_dirs if config else ()
        own = max((root for root in roots if place.startswith(f"{root}/")), key=len, default=None)
        return [] if own is None else [root + place.removeprefix(own) for root in roots if root != own]

    def _bare(self, path: str, name: str, is_require: bool) -> str | None:
        typed = path.endswith(_TYPED)
        package, subpath = _package(name)
        config = self._config(path)
        if found := self._aliased(path, name):
            return found
        if package in _BUILTIN:
            return _OUTSIDE
        # Without `allowJs` TypeScript never looks at JavaScript, and Node knows no `baseUrl`.
        if config and config.base_url is not None and (typed or config.reads_javascript):
            place = normalised(config.base_url, name)
            if place and (found := self._files.either(place, typed)):
                return found
        folder = self._packages.itself(path, package)
        folder = self._packages.linked(path, package) if folder is None else folder
        if folder is not None:
            return self._entry(folder, subpath, path, is_require)
        pattern, targets = config.aliases(name) if config else ("", ())
        is_alias = pattern not in ("", "*") and not any("node_modules/" in target for target in targets)
        return None if is_alias and not self._packages.declares(path, package) else _OUTSIDE

    def _aliased(self, path: str, name: str) -> str | None:
        config = self._config(path)
        _, targets = config.aliases(name) if config else ("", ())
        typed = path.endswith(_TYPED)
        return next((found for place in targets if (found := self._files.either(place, typed))), None)

    def _internal(self, path: str, name: str, is_require: bool) -> str | None:
        folder = self._packages.nearest(path)
        places, outside = self._packages.internal(path, name, self._conditions(path, is_require))
        if outside:
            return self._bare(path, outside, is_require)
        return None if folder is None else self._first(folder, places, path)

    def _entry(self, folder: str, subpath: str, path: str, is_require: bool) -> str | None:
        """The source of what a package of this repository gives for ``subpath``."""
        typed = path.endswith(_TYPED)
        manifest = self._packages.manifests[folder]
        if "exports" in manifest:
            places = self._packages.entries(folder, subpath, self._conditions(path, is_require))
            if not places:
                return None  # not exported
        elif subpath != ".":
            place = normalised(folder, subpath)
            return self._files.either(place, typed) if place else None
        else:
            if found := self._files.folder(folder, typed):
                return found
            fields = [manifest.get(key) for key in ("types", "typings", "main", "module")]
            places = [
                place for field in fields if isinstance(field, str) and (place := normalised(folder, field))
            ]
        if found := self._first(folder, places, path):
            return found
        source = manifest.get("source")
        place = normalised(folder, source) if subpath == "." and isinstance(source, str) else None
        return self._files.exact(place, typed) if place else None

    def _first(self, folder: str, places: list[str], path: str) -> str | None:
        typed = path.endswith(_TYPED)
        found = next((file for place in places if (file := self._files.exact(place, typed))), None)
        return found or next(
            (file for place in places for file in self._configs.sources(folder, place)), None
        )

    def _conditions(self, path: str, is_require: bool) -> tuple[str, ...]:
        config = self._config(path)
        own = config.conditions if config else ()
        types = ("types",) if path.endswith(_TYPED) else ()
        return (*own, *types, "require" if is_require else "import", "node", "module-sync", "default")

    @functools.cache  # noqa: B019 - a resolver lives for one call of `link`
    def _config(self, path: str) -> Config | None:
        return self._configs.nearest(path)


def _package(name: str) -> tuple[str, str]:
    """The package that a name begins with, and what of it is meant: "." or "./…"."""
    parts = name.split("/")
    length = 2 if name.startswith("@") else 1
    return "/".join(parts[:length]), "/".join([".", *parts[length:]])
