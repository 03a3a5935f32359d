"""JavaScript's and TypeScript's edges beside dependency-cruiser's on real packages.

Packages are fetched by npm at pinned versions and only unpacked; nothing of them is installed or run. Both
sides read the same files, laid out as they stand in each project's repository; the oracle gets the links
below `node_modules` that npm makes for a workspace. Needs npm and Node.

    python benchmarks/structure/javascript.py --show --only rxjs
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from _measures import CACHE, Edge, broken_promises, compare, run, slower, write_out

from builder.repository import Repository, load
from builder.structure import analyze

NPM = CACHE / "npm"
CRUISER = ("dependency-cruiser@16.10.4", "typescript@5.4.5")
TARGET = 0.98  # of precision and of recall
LARGE = "three"  # over 1,000 files
MAX_RATIO = 2.5  # of the whole analysis to parsing alone

TANSTACK = (
    "query-async-storage-persister query-core query-persist-client-core query-sync-storage-persister "
    "react-query react-query-devtools react-query-persist-client"
)
LERNA = (
    "add bootstrap changed check-working-tree child-process clean cli collect-uncommitted "
    "collect-updates command conventional-commits create create-symlink describe-ref diff exec "
    "filter-options filter-packages get-npm-exec-opts get-packed github-client gitlab-client "
    "global-options has-npm-version import info init link list listable log-packed npm-conf "
    "npm-dist-tag npm-install npm-publish npm-run-script otplease output pack-directory package "
    "package-graph prerelease-id-from-version profiler project prompt publish pulse-till-done "
    "query-graph resolve-symlink rimraf-dir run run-lifecycle run-topologically symlink-binary "
    "symlink-dependencies timer validation-error version write-log-file"
)
WORKSPACE = {"package.json": {"name": "workspace", "private": True, "workspaces": ["packages/*"]}}


@dataclass(frozen=True)
class Project:
    """Pinned packages by the folders that they stand in; ``kept`` is what of them a repository has."""

    name: str
    packages: dict[str, str]
    sha256: str  # of the tarballs, one after the other
    kept: str = r".*"
    written: dict[str, object] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()


CUSTOM = "@tanstack/custom-condition"
SOURCES = r"package\.json|tsconfig\.json|src/.*"  # and not what was built from them
PROJECTS = (
    Project(
        "express", {"": "express@4.21.2"},
        "fc43a91e7dc7affb53c6ad7123a4f35485ed3c45226ae7a3847b7738e783e008",
    ),
    Project(
        "rxjs", {"": "rxjs@7.8.2"},
        "2312f8ffd9726ffd7bd53ea12c5f13663d09a3dc3326f448c70b88f5ef6fac82", SOURCES,
    ),
    Project(
        "zod", {"": "zod@4.0.17"},
        "50be4cb515207f8b4d53c3d7eb0aac2c94bb040b0c87282b5dcfb89e9164a69b", SOURCES, {}, ("@zod/source",),
    ),
    Project(
        "effect", {"": "effect@3.10.0"},
        "624f9620d493535bdaff102720f4425be541f94f90be0e356e93af85bdb68799", SOURCES,
    ),
    Project(
        "redux-toolkit", {"": "@reduxjs/toolkit@2.2.7"},
        "f2517c466b50424b661a27e48039f15db7783e5822f46b5c7d39f20104ac67a9", SOURCES,
        {"tsconfig.json": {"compilerOptions": {"paths": {
            "@reduxjs/toolkit": ["./src/index.ts"],
            "@reduxjs/toolkit/react": ["./src/react/index.ts"],
            "@reduxjs/toolkit/query": ["./src/query/index.ts"],
            "@reduxjs/toolkit/query/react": ["./src/query/react/index.ts"],
            "@internal/*": ["./src/*"],
        }}}},
    ),
    Project(
        "three", {"": "three@0.170.0"},
        "4a608a355dcaba72e0e5383cdc814303f5b6060b43c238cdf6932dceb699238d", r"(?!build/).*",
    ),
    Project(
        "lerna (workspace)",
        {"packages/lerna": "lerna@4.0.0"}
        | {f"packages/{name}": f"@lerna/{name}@4.0.0" for name in LERNA.split()},
        "c3187e20d44d34c5a0bc31cca97f22e196569b84e61f4513758b76d6b8e7daf8", written=WORKSPACE,
    ),
    Project(
        "tanstack (workspace)",
        {f"packages/{name}": f"@tanstack/{name}@5.90.2" for name in TANSTACK.split()},
        "2f25e086e2f751cd6426f533c50513dc80ba0b381ba57cfd6d2c665044426083", SOURCES,
        WORKSPACE | {"tsconfig.json": {"compilerOptions": {"customConditions": [CUSTOM]}}}, (CUSTOM,),
    ),
)  # fmt: skip


def check(project: Project, folder: Path, show: bool) -> Iterator[str]:
    """Print one project's measures; what is not as promised comes back in words."""
    lay_out(project, folder / "source")
    repository = load(folder / "source")
    blueprint = analyze(repository)
    ours = {(edge.source, edge.target) for edge in blueprint.dependencies}
    theirs = cruise(project, repository, folder / "oracle")
    if min(compare(project.name, ours, theirs, show)) < TARGET:
        yield f"{project.name}: precision or recall below {TARGET}"
    yield from broken_promises(project.name, repository, blueprint)
    if project.name == LARGE:
        suffixes = (".js", ".jsx", ".mjs", ".cjs")
        yield from slower(project.name, repository, "tree_sitter_javascript", suffixes, MAX_RATIO)


def lay_out(project: Project, folder: Path) -> None:
    """Unpack the packages where they stand in their repository, without what is built."""
    tarballs = NPM / re.sub(r"\W+", "-", project.name)
    if not tarballs.exists():
        partial = tarballs.with_suffix(".partial")
        partial.mkdir(parents=True, exist_ok=True)
        pack = ["npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", partial]
        subprocess.run([*pack, *project.packages.values()], check=True, stdout=subprocess.DEVNULL)
        partial.rename(tarballs)
    digest = hashlib.sha256()
    for place, package in project.packages.items():
        name = package.removeprefix("@").replace("/", "-").replace("@", "-")
        tarball = tarballs / f"{name}.tgz"
        digest.update(tarball.read_bytes())
        with tarfile.open(tarball) as archive:
            for member in archive.getmembers():
                member.name = member.name.partition("/")[2]
                if member.isfile() and re.fullmatch(project.kept, member.name):
                    archive.extract(member, folder / place, filter="data")
    if digest.hexdigest() != project.sha256:
        sys.exit(
            f"{project.name}: the packages are not those that were pinned; they hash to {digest.hexdigest()}"
        )
    for path, settings in project.written.items():
        (folder / path).write_text(json.dumps(settings), encoding="utf-8")


def cruise(project: Project, repository: Repository, folder: Path) -> set[Edge]:
    """The edges between included files that dependency-cruiser finds."""
    write_out(repository, folder)
    for place, package in project.packages.items():
        if place:
            link = folder / "node_modules" / package.rpartition("@")[0]
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder / place, target_is_directory=True)
    settings = {
        "doNotFollow": {"path": "node_modules"},
        "tsPreCompilationDeps": True,
        "moduleSystems": ["cjs", "es6", "tsd"],
        "enhancedResolveOptions": {
            "exportsFields": ["exports"],
            "conditionNames": [*project.conditions, "types", "import", "require", "node", "default"],
            "mainFields": ["main", "module", "types"],
        },
    }  # fmt: skip
    if (folder / "tsconfig.json").exists():
        settings["tsConfig"] = {"fileName": "tsconfig.json"}
    (folder / ".cruise.cjs").write_text(
        f"module.exports = {json.dumps({'options': settings})}", encoding="utf-8"
    )
    command = ["node", cruiser(), "--output-type", "json", "--config", ".cruise.cjs", "."]
    answer = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(f"{project.name}: {answer.stderr}")
    return set(edges(json.loads(answer.stdout)["modules"], {file.path for file in repository.files}))


def edges(modules: list[dict[str, object]], paths: set[str]) -> Iterator[Edge]:
    for module in modules:
        for dependency in module["dependencies"]:
            edge = (module["source"], dependency["resolved"])
            if edge[0] != edge[1] and paths.issuperset(edge):
                yield edge


def cruiser() -> Path:
    """dependency-cruiser's entry, installed apart from everything else where it is missing."""
    folder = NPM / CRUISER[0]
    if not (folder / "ready").exists():
        install = ["npm", "install", "--ignore-scripts", "--no-save", "--silent", "--prefix", folder]
        subprocess.run([*install, *CRUISER], check=True)
        (folder / "ready").touch()
    return folder / "node_modules" / "dependency-cruiser" / "bin" / "dependency-cruise.mjs"


if __name__ == "__main__":
    run(__doc__, f"JavaScript and TypeScript against {CRUISER[0]}", PROJECTS, check, "npm", "node")
