"""Where Python looks for modules in a repository: its projects and the source roots of each."""

from __future__ import annotations

import configparser
import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from builder.repository import Repository
from builder.structure.paths import join, parents

_METADATA = ("pyproject.toml", "setup.cfg", "setup.py")
# Folders that setuptools never takes for packages in a flat layout (FlatLayoutPackageFinder).
_DEVELOPMENT = {
    "benchmark", "benchmarks", "bin", "build", "changelog", "ci", "debian", "doc", "docs", "documentation",
    "example", "examples", "exercise", "exercises", "manpages", "news", "newsfragments", "python", "scripts",
    "test", "testing", "tests", "tools", "unit_test", "unit_tests", "util", "utils",
}  # fmt: skip


@dataclass(frozen=True)
class Project:
    """A folder with packaging metadata. All folders are relative to the repository, ``""`` is its root."""

    folder: str
    name: str
    requires: frozenset[str]
    roots: tuple[str, ...]  # besides the folder itself
    has_metadata: bool  # a folder without, which is itself a package, is no place to look for others


@dataclass(frozen=True)
class Root:
    """A folder that modules are searched in, for all top-level names or only for ``only``."""

    folder: str
    only: str = ""


class Layout:
    """The projects of a repository, and what a file of it can see."""

    def __init__(self, repository: Repository, packages: Iterable[str]) -> None:
        self._packages = frozenset(packages)
        contents = {file.path: file.content for file in repository.files if file.path.endswith(_METADATA)}
        folders = {_folder(path) for path in contents if path.rpartition("/")[2] in _METADATA} | {""}
        inhabited = {parent for file in repository.files for parent in parents(file.path)}
        self._projects = {
            folder: _project(folder, contents, inhabited, self._packages) for folder in sorted(folders)
        }

    def roots(self, path: str, is_script: bool) -> Iterator[Root]:
        """Where ``path``'s absolute imports are looked up, first match first.

        A file in a source root sees its project's source roots. Any other sees the project's folder too, and
        before it the folder that Python or pytest puts on the path: the nearest one around a script or test
        that is no package. A project sees another one only if its metadata requires it.
        """
        project = next(self._projects[folder] for folder in parents(path) if folder in self._projects)
        own = next((root for root in project.roots if path.startswith(root + "/")), None)
        if own is None:
            base = next(folder for folder in parents(path) if folder not in self._packages or not folder)
            inside = path.removeprefix(project.folder).lstrip("/")
            if len(base) > len(project.folder) and (is_script or inside.partition("/")[0] in _DEVELOPMENT):
                yield Root(base)
        else:
            yield Root(own)
        yield from (Root(root) for root in project.roots if root != own)
        # Code below src/ may still write `import src.module`, but sees no other neighbour of src/.
        relative = own.removeprefix(project.folder).lstrip("/") if own else ""
        if project.has_metadata or is_script or project.folder not in self._packages:
            yield Root(project.folder, only=relative.partition("/")[0])
        for other in self._projects.values():
            if other is not project and other.name in project.requires:
                yield from (Root(root) for root in (*other.roots, other.folder))


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _project(folder: str, contents: dict[str, str], inhabited: set[str], packages: frozenset[str]) -> Project:
    metadata = _pyproject(contents.get(join(folder, "pyproject.toml"), ""))
    config = _setup_cfg(contents.get(join(folder, "setup.cfg"), ""))
    declared = {"src", *_declared_roots(metadata), *_option(config, "package_dir", r"^=\s*(\S+)")}
    declared |= set(_option(config, "where", r"(\S+)", "options.packages.find"))
    roots = {posixpath.normpath(posixpath.join(folder, root.strip())) for root in declared} - {folder}
    project: dict[str, Any] = _table(metadata, "project")
    extras = _table(project, "optional-dependencies")
    requirements = [
        *_strings(project.get("dependencies")),
        *(r for value in extras.values() for r in _strings(value)),
    ]
    requirements += [
        *_table(metadata, "tool", "poetry", "dependencies"),
        *_option(config, "install_requires", r"^(\S+)"),
    ]
    name = project.get("name") or next(_option(config, "name", r"(\S+)", "metadata"), "")
    return Project(
        folder,
        _normalised(str(name)),
        frozenset(_normalised(re.split(r"[^\w.-]", text.strip(), maxsplit=1)[0]) for text in requirements)
        - {""},
        tuple(sorted(root for root in roots if root in inhabited and root not in packages)),
        any(join(folder, file) in contents for file in _METADATA),
    )


def _declared_roots(metadata: dict[str, Any]) -> Iterator[str]:
    """Source roots as setuptools, Poetry, Hatch and PDM have them written."""
    tool = _table(metadata, "tool")
    yield from _strings(_table(tool, "setuptools", "packages", "find").get("where"))
    yield from _strings([_table(tool, "setuptools", "package-dir").get("")])
    poetry = _table(tool, "poetry").get("packages")
    yield from _strings([entry.get("from") for entry in poetry or () if isinstance(entry, dict)])
    wheel = _table(tool, "hatch", "build", "targets", "wheel")
    yield from (_folder(package) for package in _strings(wheel.get("packages")))
    yield from _strings(wheel.get("sources"))
    yield from _strings([_table(tool, "pdm", "build").get("package-dir")])


def _pyproject(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):  # of a number with thousands of digits, int() has its own opinion
        return {}


def _setup_cfg(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except (configparser.Error, AttributeError):  # a continuation of nothing
        parser.clear()
    return parser


def _option(
    config: configparser.ConfigParser, name: str, pattern: str, section: str = "options"
) -> Iterator[str]:
    for line in config.get(section, name, fallback="").splitlines():
        if match := re.search(pattern, line.strip()):
            yield match[1]


def _table(value: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str) and item] if isinstance(value, list) else []


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
