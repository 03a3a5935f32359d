"""Python's edges beside grimp's on real packages, and the promises on order, JSON and speed.

make bench-structure
python benchmarks/structure/python.py --show --only flask
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _measures import Edge, broken_promises, compare, environment, fetch, run, slower, write_out

from builder.repository import Repository
from builder.structure import Blueprint, analyze

GRIMP = "grimp==3.19"
TARGET = 0.99  # of precision and of recall
TIMED = "django"
MAX_RATIO = 2.5  # of the whole analysis to parsing alone


@dataclass(frozen=True)
class Project:
    """A pinned release and the packages in it that grimp is asked about, below ``root``."""

    name: str
    version: str
    sha256: str
    packages: tuple[str, ...]
    root: str = ""

    @property
    def url(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}?checksum=sha256:{self.sha256}"

    def stem(self, module: str) -> str:
        """The path of a module, less its suffix."""
        return "/".join(filter(None, (self.root, *module.split("."))))


PROJECTS = (
    Project(
        "flask", "3.1.3", "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb",
        ("flask",), root="src",
    ),
    Project(
        "attrs", "26.1.0", "d03ceb89cb322a8fd706d4fb91940737b6642aa36998fe130a9bc96c985eff32",
        ("attr", "attrs"), root="src",
    ),
    Project(
        "django", "5.2.19", "ad03d8abc51dbff95ebf34b27123cf0c26a3b62db7ba0cd520783686362533d1",
        ("django",),
    ),
    Project(
        "sympy", "1.14.0", "d3d3fe8df1e5a0b42f0e7bdf50541697dbe7d23746e894990c030e2b05e72517",
        ("sympy",),
    ),
    # Portions of namespace packages: other distributions fill `google` and `zope` as well.
    Project(
        "google-api-core", "2.44.0", "5ab9a396965c1227d7dea4581e562b7018aa2bca96d2de0be5eb70dc9c8ab3a1",
        ("google.api_core",),
    ),
    Project(
        "zope.interface", "8.1", "a02ee40770c6a2f3d168a8f71f09b62aec3e4fb366da83f8e849dbaa5b38d12f",
        ("zope.interface",), root="src",
    ),
)  # fmt: skip


def check(project: Project, folder: Path, show: bool) -> Iterator[str]:
    """Print one project's precision and recall; what is not as promised comes back in words."""
    repository = fetch(project.url)
    blueprint = analyze(repository)
    if min(compare(project.name, *edges(project, blueprint, folder), show)) < TARGET:
        yield f"{project.name}: precision or recall below {TARGET}"
    yield from broken_promises(project.name, repository, blueprint)
    if project.name == TIMED:
        yield from slower(project.name, repository, "tree_sitter_python", (".py", ".pyi", ".pyw"), MAX_RATIO)


def edges(project: Project, blueprint: Blueprint, folder: Path) -> tuple[set[Edge], set[Edge]]:
    """Our edges and grimp's between the files that grimp reads; a file's import of itself is none."""
    repository = blueprint.repository
    modules = {
        file.path.removesuffix(".py").removesuffix("/__init__"): file.path
        for file in repository.files
        if file.path.endswith(".py")
    }
    graph = ask_grimp(project, repository, folder)
    files = {name: modules.get(project.stem(name), "") for name in graph["modules"]}
    read = set(files.values()) - {""}
    ours = {(edge.source, edge.target) for edge in blueprint.dependencies}
    theirs = {(files[source], files[target]) for source, target in graph["imports"]}
    return tuple(
        {(source, target) for source, target in found if {source, target} <= read and source != target}
        for found in (ours, theirs)
    )


def ask_grimp(project: Project, repository: Repository, folder: Path) -> dict[str, Any]:
    """What grimp says of the project, laid out on disk for it.

    It passes over folders without ``__init__.py`` inside a package, which Python does not; so they get one.
    """
    write_out(repository, folder, (".py",))
    for package in project.packages:
        for path in list((folder / project.stem(package)).rglob("*.py")):
            (path.parent / "__init__.py").touch()
    script = Path(__file__).with_name("_grimp.py")
    command = [environment("grimp", GRIMP), script, folder / project.root, *project.packages]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    run(__doc__, f"Python against {GRIMP}", PROJECTS, check)
