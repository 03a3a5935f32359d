"""Rust modules beside rustc's dep-info, on source distributions pinned by their hashes.

``cargo metadata --no-deps`` names the targets of every package, and ``rustc --emit=dep-info`` the files
that each comes to. Both read and run nothing of a project: no build script, and no macro of its
dependencies, which are missing, of which rustc complains after it has found the files. On this side a
target comes to what the edges of kind ``include`` reach from its root. Compared are pairs of a root and a
Rust file that it reaches.

rustc follows only what is active on this machine, while a repository's structure has all branches. So there
are two comparisons, both with ``--test``:

* ``as it stands``: whatever rustc reaches must be reached here: recall.
* ``all branches``: on a copy whose modules have no ``cfg`` attributes, and with a ``cfg_if!`` that keeps
  every branch: precision and recall.

    python benchmarks/structure/rust.py --show --only uv
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from _measures import broken_promises, compare, fetch, run, slower, write_out

from builder.repository import Repository
from builder.structure import Blueprint, analyze

# fmt: off
PACKAGES = {
    "cryptography": "45.0.7?checksum=sha256:4b1654dfc64ea479c242508eb8c724044f1e964a47d1d1cacc5132292d851971",
    "granian": "2.5.0?checksum=sha256:bed0d047c9c0c6c6a5a85ee5b3c7e2683fc63e03ac032eaf3d7654fa96bde102",
    "maturin": "1.9.4?checksum=sha256:235163a0c99bc6f380fb8786c04fd14dcf6cd622ff295ea3de525015e6ac40cf",
    "pydantic-core":
        "2.33.2?checksum=sha256:7cb8bc3605c29176e1b105350d2e6474142d7c1bd1d9327c4a9bdb46bf827acc",
    "ruff": "0.12.11?checksum=sha256:c6b09ae8426a65bbee5425b9d0b82796dbb07cb1af045743c79bfb163001165d",
    "tokenizers": "0.22.0?checksum=sha256:2e33b98525be8453f355927f3cab312c36cd3e44f4d7e9e97da2fa94d0a49dcb",
    "uv": "0.8.13?checksum=sha256:a4438eca3d301183c52994a6d2baff70fd1840421a83446f3cabb1d0d0b50aff",
}
# fmt: on
TARGET = 0.97  # of precision and of recall
TIMED = "uv"
RUSTC_SECONDS = 300.0  # a missing macro can keep it busy for minutes
# The condition of a module, and of what a macro passes on; brackets are up to four deep.
CONDITION = re.compile(
    r"(?<!if )#!?\[\s*cfg\s*\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)\s*\]"
    r"(?=(?:\s|//[^\n]*|#\[[^\]]*\])*(?:(?:pub(?:\([^)]*\))?\s+)?mod\b|\$))"
)
CFG_IF = """#[macro_export] macro_rules! cfg_if {
    ($(if #[$condition:meta] { $($item:item)* }) else * $(else { $($other:item)* })?) => {
        $($($item)*)* $($($other)*)?
    };
}"""


def check(name: str, folder: Path, show: bool) -> Iterator[str]:
    """Print one project's measures; what is not as promised comes back in words."""
    repository = fetch(f"pkg:pypi/{name}@{PACKAGES[name]}")
    blueprint = analyze(repository)
    root = folder / "copy"
    write_out(repository, root, (".rs", ".toml"))
    for toolchain in root.rglob("rust-toolchain.toml"):  # would ask for another rustc
        toolchain.unlink()
    targets = dict(cargo_targets(repository, root))
    stub = folder / "libcfg_if.rlib"
    (folder / "cfg_if.rs").write_text(CFG_IF)
    rustc = ["rustc", "--crate-type", "lib", "--crate-name", "cfg_if", "-o", stub, folder / "cfg_if.rs"]
    subprocess.run(rustc, check=True, capture_output=True)
    ours = {(target, path) for target in targets for path in reached(blueprint, target)}
    active = {(target, path) for target in targets for path in dep_info(root, target, targets[target], stub)}
    for path in root.rglob("*.rs"):
        path.write_text(
            CONDITION.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), path.read_text()), newline=""
        )
    every = {(target, path) for target in targets for path in dep_info(root, target, targets[target], stub)}
    # Where rustc gives up before it writes anything, a target counts on neither side of that comparison.
    silent = targets.keys() - {target for target, _ in every}
    if silent:
        print(f"{name}: rustc gives up on {len(silent)} of {len(targets)} targets, such as {min(silent)}")
    ours = {pair for pair in ours if pair[0] not in silent}
    active = {pair for pair in active if pair[0] not in silent}
    _, stands = compare(f"{name}, as it stands", ours, active, False)
    precision, recall = compare(f"{name}, all branches", ours, every, show)
    if show:
        for target, path in sorted(active - ours):
            print(f"    missed as it stands: {target} -> {path}")
    if min(stands, precision, recall) < TARGET:
        yield f"{name}: precision or recall below {TARGET}"
    yield from broken_promises(name, repository, blueprint)
    if name == TIMED:
        yield from slower(name, repository, "tree_sitter_rust", (".rs",))


def cargo_targets(repository: Repository, root: Path) -> Iterator[tuple[str, str]]:
    """The root of each target whose file was read, and its edition."""
    for manifest in sorted(
        file.path for file in repository.files if file.path.rpartition("/")[2] == "Cargo.toml"
    ):
        command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"]
        answer = subprocess.run([*command, root / manifest], cwd=root, capture_output=True, text=True).stdout
        for package in json.loads(answer or "{}").get("packages", ()):
            for target in package["targets"]:
                path = Path(target["src_path"])
                if path.is_file():
                    yield str(path.relative_to(root)), target["edition"]


def dep_info(root: Path, target: str, edition: str, stub: Path) -> set[str]:
    """The Rust files of the repository that rustc names for a crate, itself included."""
    output = stub.with_name("crate.d")
    output.unlink(missing_ok=True)
    command = [
        "rustc",
        "--test",
        "--edition",
        edition,
        "--crate-name",
        "x",
        "--extern",
        f"cfg_if={stub}",
        "-Awarnings",
    ]
    command += ["--emit", f"dep-info={output}", target]
    with contextlib.suppress(subprocess.TimeoutExpired):  # the files are named before types are checked
        subprocess.run(command, cwd=root, capture_output=True, timeout=RUSTC_SECONDS)
    named = output.read_text().splitlines()[0].partition(": ")[2] if output.exists() else ""
    paths = (Path(root, name.replace("\\ ", " ")).resolve() for name in re.split(r"(?<!\\) ", named) if name)
    return {
        str(path.relative_to(root)) for path in paths if path.is_relative_to(root) and path.suffix == ".rs"
    }


def reached(blueprint: Blueprint, target: str) -> set[str]:
    """The Rust files to which declarations lead from a root, itself included."""
    direct = included(blueprint)
    seen, stack = {target}, [target]
    while stack:
        new = {path for path in direct.get(stack.pop(), ()) if path.endswith(".rs")} - seen
        seen |= new
        stack += new
    return seen


def included(blueprint: Blueprint) -> Mapping[str, set[str]]:
    """Of each file those that it declares or includes."""
    direct: dict[str, set[str]] = {}
    for edge in blueprint.dependencies:
        if edge.kind == "include":
            direct.setdefault(edge.source, set()).add(edge.target)
    return direct


if __name__ == "__main__":
    run(__doc__, "Rust against rustc's dep-info", PACKAGES, check, "rustc", "cargo")
