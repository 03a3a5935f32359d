"""The crates of a repository, as Cargo finds them: their roots, names, editions and dependencies."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.repository import Repository
from builder.structure.paths import join, normalised, parents

_MAX_MANIFEST = 1_000_000  # characters
# Tables of targets, and the folder in which Cargo looks for more of them.
_TARGETS = {"bin": "src/bin", "example": "examples", "test": "tests", "bench": "benches"}
_DEPENDENCIES = ("dependencies", "dev-dependencies", "dev_dependencies")
_BUILD = ("build-dependencies", "build_dependencies")


@dataclass
class Crate:
    """What rustc compiles at once: all that ``root`` declares. Crates are the same only if they are one."""

    root: str
    edition: str
    # Of each name that comes from Cargo: the root of a library in the repository, ``""`` for one outside.
    visible: dict[str, str] = field(default_factory=dict)


def crates(repository: Repository) -> list[Crate]:
    """Every target of every package."""
    manifests = {}
    for file in repository.files:
        folder, _, name = file.path.rpartition("/")
        if name == "Cargo.toml" and (manifest := _read(file.content)):
            manifests[folder] = manifest
    for skipped in repository.skipped:
        # A published package's manifest is generated, so left out: its targets are where Cargo looks.
        folder, _, name = skipped.path.rpartition("/")
        if name == "Cargo.toml":
            manifests[folder] = {"package": {"edition": "2021"}}
    paths = {file.path for file in repository.files if file.path.endswith(".rs")}
    beside: dict[str, list[str]] = defaultdict(list)
    for path in sorted(paths):
        folder, _, name = path.rpartition("/")
        beside[folder].append(path)
        if name == "main.rs":
            beside[folder.rpartition("/")[0]].append(path)
    packages = [
        _Package(folder, manifest, manifests, paths, beside)
        for folder, manifest in sorted(manifests.items())
        if isinstance(manifest.get("package", manifest.get("project")), dict)
    ]
    libraries = {package.folder: package.library for package in packages if package.library}
    return [crate for package in packages for crate in package.crates(libraries)]


def _read(content: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content) if len(content) <= _MAX_MANIFEST else {}
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return {}


class _Package:
    def __init__(
        self,
        folder: str,
        manifest: dict[str, Any],
        manifests: Mapping[str, dict[str, Any]],
        paths: Collection[str],
        beside: Mapping[str, list[str]],
    ) -> None:
        self.folder = folder
        self._manifest = manifest
        self._paths = paths
        self._beside = beside
        self._about = _table(manifest, "package") or _table(manifest, "project")
        self._workspace_folder, self._workspace = self._find_workspace(manifests)
        self._name = _string(self._about.get("name"))
        library = _table(manifest, "lib")
        self.library: tuple[str, str] | None = None  # its name and root
        root = self._existing(_string(library.get("path")) or "src/lib.rs")
        if root:
            self.library = _identifier(_string(library.get("name")) or self._name), root

    def crates(self, libraries: Mapping[str, tuple[str, str]]) -> Iterator[Crate]:
        """The targets of this package; ``libraries`` are those of all packages by their folders."""
        visible = dict(self._dependencies(_DEPENDENCIES, libraries))
        build = self._existing(_string(self._about.get("build")) or "build.rs")
        if build and self._about.get("build") is not False:
            yield Crate(build, self._edition(), dict(self._dependencies(_BUILD, libraries)))
        roots = dict.fromkeys(self._roots())
        if self.library:
            name, root = self.library
            yield Crate(root, self._edition(), visible)
            roots.pop(root, None)
            visible = visible | {name: root}
        for root in roots:
            yield Crate(root, self._edition(), visible)

    def _roots(self) -> Iterator[str]:
        if self._about.get("autobins") is not False and (main := self._existing("src/main.rs")):
            yield main
        for kind, place in _TARGETS.items():
            for target in _tables(self._manifest.get(kind)):
                name = _string(target.get("name"))
                places = [f"{place}/{name}.rs", f"{place}/{name}/main.rs"]
                if kind == "bin":
                    places += ["src/main.rs"]
                path = _string(target.get("path"))
                yield from [root for root in map(self._existing, [path] if path else places) if root][:1]
            if self._about.get(f"auto{kind}{'e' * (kind == 'bench')}s") is not False:
                yield from self._beside.get(join(self.folder, place), ())

    def _existing(self, path: str) -> str | None:
        found = normalised(self.folder, path)
        return found if found in self._paths else None

    def _edition(self) -> str:
        edition = self._about.get("edition", "2015")
        if isinstance(edition, dict):
            edition = _table(self._workspace, "package").get("edition")
        return _string(edition) or "2021"

    def _find_workspace(self, manifests: Mapping[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        given = _string(self._about.get("workspace"))
        around = [normalised(self.folder, given)] if given else [self.folder, *parents(self.folder)]
        for folder in around:
            if folder is not None and "workspace" in manifests.get(folder, {}):
                return folder, _table(manifests[folder], "workspace") | {
                    "patch": manifests[folder].get("patch")
                }
        return self.folder, {"patch": self._manifest.get("patch")}

    def _dependencies(
        self, kinds: Collection[str], libraries: Mapping[str, tuple[str, str]]
    ) -> Iterator[tuple[str, str]]:
        tables = [self._manifest, *_tables(list(_table(self._manifest, "target").values()))]
        shared = _table(self._workspace, "dependencies")
        for table in tables:
            for kind in kinds:
                for key, given in _table(table, kind).items():
                    wanted, base = given, self.folder
                    if isinstance(given, dict) and given.get("workspace") is True:
                        wanted, base = shared.get(key), self._workspace_folder
                    yield self._dependency(key, wanted if isinstance(wanted, dict) else {}, base, libraries)

    def _dependency(
        self, key: str, wanted: dict[str, Any], base: str, libraries: Mapping[str, tuple[str, str]]
    ) -> tuple[str, str]:
        """What one dependency is called in the code, and the root that it names."""
        package = _string(wanted.get("package")) or key
        path = _string(wanted.get("path"))
        if not path:
            for source in _tables(list(_table(self._workspace, "patch").values())):
                if path := _string(_table(source, package).get("path")):
                    base = self._workspace_folder
                    break
        folder = normalised(base, path) if path else None
        if folder is None or folder not in libraries:
            return _identifier(key), ""
        name, root = libraries[folder]
        return (_identifier(key) if "package" in wanted else name), root


def _table(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = table.get(key)
    return found if isinstance(found, dict) else {}


def _tables(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _identifier(name: str) -> str:
    return name.replace("-", "_")
