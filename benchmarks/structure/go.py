"""Go imports beside ``go list``, on Debian's source packages of Go modules, pinned by their hashes.

``go list -e -json ./...`` names the packages that each package of a module imports, its tests included. Here
edges run between files, so they are folded to the folders of their files. go reads the files that are meant
for this system, so only edges from those are compared. Imports from outside the module count on neither side.

go runs on a copy of the files that were read, without a network; nothing is built. It needs ``go`` and
``apt-get`` with Debian's package lists.

    python benchmarks/structure/go.py [NAME …]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
Edges = set[tuple[str, str]]
FILES = ("GoFiles", "CgoFiles", "TestGoFiles", "XTestGoFiles")
IMPORTS = ("Imports", "TestImports", "XTestImports")


def main() -> None:
    """Print precision and recall for each module, and where the two sides differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="modules (default: all)")
    parser.add_argument("--show", type=int, default=5, help="differing edges to list for each module")
    arguments = parser.parse_args()
    print(f"{'':12}{'files':>7}{'edges':>7}{'precision':>11}{'recall':>8}{'between files':>15}")
    for name in arguments.names or PROJECTS:
        with tempfile.TemporaryDirectory() as folder:
            compare(name, Path(folder).resolve(), arguments.show)


def compare(name: str, folder: Path, show: int) -> None:
    """Print the figures of one module."""
    repository = load(unpacked(name, folder))
    root = folder / "copy"
    for file in repository.files:
        (root / file.path).parent.mkdir(parents=True, exist_ok=True)
        (root / file.path).write_text(file.content, encoding="utf-8")
    # Without requirements go looks for none of them.
    content = repository.file("go.mod").content
    (root / "go.mod").write_text("\n".join(re.findall(r"^(?:module|go)\s.*", content, re.MULTILINE)))
    packages = list(go_list(root))
    read = {path for package in packages for path in files_of(package, root)}
    theirs = edges_of(packages, root)
    blueprint = analyze(repository)
    imports = {(edge.source, edge.target) for edge in blueprint.dependencies if edge.kind == "import"}
    ours = {(parent(source), parent(target)) for source, target in imports if source in read}
    ours = {(source, target) for source, target in ours if source != target}
    num_files = sum(language == "Go" for language in blueprint.languages.values())
    within = sum(edge.kind == "same-package" for edge in blueprint.dependencies)
    print(
        f"{name:12}{num_files:>7}{len(theirs):>7}{len(ours & theirs) / len(ours):>11.4f}"
        f"{len(ours & theirs) / len(theirs):>8.4f}{len(imports) + within:>15}"
    )
    for label, pairs in {"missed": theirs - ours, "more": ours - theirs}.items():
        for source, target in sorted(pairs)[:show]:
            print(f"    {label}: {source} -> {target}")


def unpacked(name: str, folder: Path) -> Path:
    """Download and unpack a module; raises ``ValueError`` where it is not what was pinned."""
    package, version, digest, inside = PROJECTS[name]
    subprocess.run(
        ["apt-get", "download", "-qq", f"{package}={version}"], cwd=folder, check=True, capture_output=True
    )
    archive = next(folder.glob("*.deb"))
    if hashlib.sha256(archive.read_bytes()).hexdigest() != digest:
        raise ValueError(f"{archive.name} is not the file that was pinned")
    subprocess.run(["dpkg-deb", "-x", archive, folder / "package"], check=True)
    return folder / "package/usr/share/gocode/src" / inside


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


def edges_of(packages: list[dict[str, Any]], root: Path) -> Edges:
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
    main()
