"""Go imports beside ``go list``, on Debian's source packages of Go modules, pinned by their hashes.

``go list -e -json ./...`` names the packages that each package of a module imports, its tests included. Here
edges run between files, so they are folded to the folders of their files. go reads the files that are meant
for this system, so only edges from those are compared. Imports from outside the module count on neither side.

go runs on a copy of the files that were read, without a network; nothing is built. It needs ``go`` and
``apt-get`` with Debian's package lists.

    python benchmarks/structure/go.py --show --only cobra
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _measures import Edge, broken_promises, compare, debian, run, slower, write_out

from builder.repository import load
from builder.structure import analyze

# Debian package, its version and hash, and the module's folder in it.
PROJECTS = {
    "cobra": (
        "golang-github-spf13-cobra-dev",
        "1.6.1-1",
        "4f5d20855133319beef3c5b49d3c21a0406f270bf94fb4b6f4d406b691283cb2",
        "github.com/spf13/cobra",
    ),
    "zap": (
        "golang-go.uber-zap-dev",
        "1.23.0-1",
        "cff89ff0de841df81d5bf43d8e71e026c97ad0b2753c2040c440ebf8a45f4a38",
        "go.uber.org/zap",
    ),
    "client": (
        "golang-github-prometheus-client-golang-dev",
        "1.14.0-3",
        "b95081bf869abc26d70ba2a1dfd9d0ac6675b6ac95c9ffa6e25971ee862e7016",
        "github.com/prometheus/client_golang",
    ),
    "kit": (
        "golang-github-go-kit-kit-dev",
        "0.10.0-1",
        "328c6bda3113d36c99dfa9446d16ec466d48f0e9d3d9f883f37516b7985c1d39",
        "github.com/go-kit/kit",
    ),
    "otel": (
        "golang-opentelemetry-otel-dev",
        "1.1.0-2",
        "89687e27c1034738832be84f33df3c8eed8a7241a04c1cbcea52e0fcd877a593",
        "go.opentelemetry.io/otel",
    ),
    "grpc": (
        "golang-google-grpc-dev",
        "1.33.3-2",
        "d6f918cc84a7186d5bf08d21bd3b210db5fb68b34887dca2ff89d47ca37b8749",
        "google.golang.org/grpc",
    ),
    "etcd": (
        "golang-etcd-server-dev",
        "3.4.23-4",
        "d296370c539f7e6df608cca64cfbae1c330f03944af49e3b33af5d565cee9d49",
        "go.etcd.io/etcd",
    ),
    "tools": (
        "golang-golang-x-tools-dev",
        "1:0.5.0+ds-1",
        "d0cf4252c020c3ee79707619f925444779070dc1307cd8af1ed99bc8eaf7b3c5",
        "golang.org/x/tools",
    ),
}
TARGET = 0.97  # of precision and of recall
TIMED = "tools"
FILES = ("GoFiles", "CgoFiles", "TestGoFiles", "XTestGoFiles")
IMPORTS = ("Imports", "TestImports", "XTestImports")


def check(name: str, folder: Path, show: bool) -> Iterator[str]:
    """Print one module's measures; what is not as promised comes back in words."""
    *package, inside = PROJECTS[name]
    repository = load(debian(*package) / "usr/share/gocode/src" / inside)
    write_out(repository, folder)
    # Without requirements go looks for none of them.
    content = repository.file("go.mod").content
    (folder / "go.mod").write_text("\n".join(re.findall(r"^(?:module|go)\s.*", content, re.MULTILINE)))
    packages = list(go_list(folder))
    read = {path for package in packages for path in files_of(package, folder)}
    theirs = edges_of(packages, folder)
    blueprint = analyze(repository)
    imports = {(edge.source, edge.target) for edge in blueprint.dependencies if edge.kind == "import"}
    ours = {(parent(source), parent(target)) for source, target in imports if source in read}
    ours = {(source, target) for source, target in ours if source != target}
    if min(compare(name, ours, theirs, show)) < TARGET:
        yield f"{name}: precision or recall below {TARGET}"
    yield from broken_promises(name, repository, blueprint)
    if name == TIMED:
        yield from slower(name, repository, "tree_sitter_go", (".go",))


def go_list(root: Path) -> Iterator[dict[str, Any]]:
    """What go tells of each package of the module at ``root``; what is not here counts as an error in it."""
    environment = os.environ | {"GOFLAGS": "-mod=readonly", "GOPROXY": "off", "GO111MODULE": "on"}
    command = ["go", "list", "-e", "-json", "./..."]
    output = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True).stdout
    decoder = json.JSONDecoder()
    while output := output.lstrip():
        package, end = decoder.raw_decode(output)
        output = output[end:]
        yield package


def files_of(package: dict[str, Any], root: Path) -> Iterator[str]:
    for kind in FILES:
        for name in package.get(kind, ()):
            yield str((Path(package["Dir"]) / name).relative_to(root))


def edges_of(packages: list[dict[str, Any]], root: Path) -> set[Edge]:
    """Imports within the module, also of folders that ``./...`` leaves out, such as ``testdata``.

    Folders without a Go file count on neither side: theirs are generated and were not read.
    """
    edges = {
        (folder_of(package, root), imported.removeprefix(package["Module"]["Path"]).strip("/"))
        for package in packages
        for kind in IMPORTS
        for imported in package.get(kind, ())
        if f"{imported}/".startswith(f"{package['Module']['Path']}/")
    }
    return {
        (source, target) for source, target in edges if source != target and any((root / target).glob("*.go"))
    }


def folder_of(package: dict[str, Any], root: Path) -> str:
    folder = str(Path(package["Dir"]).relative_to(root))
    return "" if folder == "." else folder


def parent(path: str) -> str:
    return path.rpartition("/")[0]


if __name__ == "__main__":
    run(__doc__, "Go against go list", PROJECTS, check, "go", "apt-get", "dpkg-deb")
