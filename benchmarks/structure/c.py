"""C and C++ includes beside ``gcc -MM``, on source distributions pinned by their hashes.

Both sides get the same include folders, those that the project's own build passes: gcc as ``-I``, this side
as a ``compile_commands.json`` laid into the repository. The last lines leave that file away, so that the
folders are inferred. Compared are transitive closures, as pairs of a file and one that it comes to include,
both within the repository; headers of the system and of other projects count on neither side.

gcc follows the branches of ``#if`` that are active on this machine, while a repository's structure has all of
them. So there are two comparisons.

* ``as it stands``: ``gcc -MM -MG`` on every source. Whatever gcc reaches must be reached here: recall.
* ``all branches``: on a copy whose files are reduced to their ``#include`` lines, and in which every branch
  but that of ``#if 0`` is active, ``gcc -MM -MG`` on every source and header: precision and recall. gcc
  itself removes the comments for that copy. Computed includes are left out of it: here they stay unresolved.

Only the preprocessor runs, on text; nothing of a project is built or started.

    python benchmarks/structure/c.py --show --only psutil
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from _measures import Edge, broken_promises, compare, fetch, run, write_out

from builder.repository import Repository, SourceFile
from builder.structure import Blueprint, analyze

# Package, its hash, and the include folders that its own build passes.
PROJECTS = {
    "lz4": (
        "4.4.3",
        "91ed5b71f9179bf3dbfe85d92b52d4b53de2e559aa4daa3b7de18e0dd24ad77d",
        ("lz4libs",),
    ),
    "brotli": (
        "1.2.1",
        "02b2f7b5a83485efe448a44ddf7983def05c3bb1dcf917d4f7154070260e13de",
        ("c/include",),
    ),
    "libsass": (
        "0.23.0",
        "6f209955ede26684e76912caf329f4ccb57e4a043fd77fe0e7348dd9574f1880",
        ("libsass/include",),
    ),
    "psutil": (
        "7.2.2",
        "0746f5f8d406af344fd547f1c8daa5f5c33dbc293bb8d6a16d80b4bb88f59372",
        (),
    ),
    "kiwisolver": (
        "1.4.8",
        "23d5f023bdc8c7e54eb65f03ca5d5bb25b601eac4d7f1a042888a1f45237987e",
        (".",),
    ),
    "contourpy": (
        "1.3.1",
        "dfd97abd83335045a913e3bcc4a09c0ceadbe66580cf573fe961f4a825efa699",
        ("src",),
    ),
    "zstandard": (
        "0.25.0",
        "7713e1179d162cf5c7906da876ec2ccb9c3a9dcbdffef0cc7f70c3667a205f0b",
        ("c-ext", "zstd"),
    ),
    "pillow": (
        "11.0.0",
        "72bacbaf24ac003fea9bff9837d1eedb6088758d41e100c1552930151f677739",
        ("src/libImaging",),
    ),
    "uwsgi": (
        "2.0.31",
        "e8f8b350ccc106ff93a65247b9136f529c14bf96b936ac5b264c6ff9d0c76257",
        (".",),
    ),
    "lightgbm": (
        "4.5.0",
        "e1cd7baf0318d4e308a26575a63a4635f08df866ad3622a9d8e3d71d9637a1ba",
        (
            "include",
            "external_libs/eigen",
            "external_libs/fast_double_parser/include",
            "external_libs/fmt/include",
            "external_libs/compute/include",
        ),
    ),
    "xgboost": (
        "2.1.1",
        "4b1729837f9f1ba88a32ef1be3f8efb860fee6454a68719b196dc88032c23d97",
        ("cpp_src/include", "cpp_src/dmlc-core/include", "cpp_src/rabit/include"),
    ),
}
SOURCES = (".c", ".cc", ".cpp", ".cxx")
FRAGMENTS = (".inc", ".def", ".cu", ".cuh")  # included by the others
TARGET = 0.97  # of precision and of recall
Result = TypeVar("Result")


def check(name: str, folder: Path, show: bool) -> Iterator[str]:
    """Print one project's measures; what is not as promised comes back in words."""
    version, digest, folders = PROJECTS[name]
    repository = fetch(f"pkg:pypi/{name}@{version}?checksum=sha256:{digest}")
    blueprint = analyze(repository)
    files = [path for path, language in blueprint.languages.items() if language in ("C", "C++")]
    sources = [path for path in files if path.endswith(SOURCES)]
    inferred = closures(blueprint, files)
    given = closures(analyze(with_commands(repository, sources, folders)), files)
    root = folder / "project"
    contents = {file.path: file.content for file in repository.files}
    write_out(repository, root)
    active = gcc_closures(root, sources, folders)
    reducible = [path for path in contents if path in set(files) or path.endswith(FRAGMENTS)]
    for path, bare in zip(
        reducible, parallel(lambda path: reduced(path, contents[path]), reducible), strict=True
    ):
        (root / path).write_text(bare, encoding="utf-8")
    every = gcc_closures(root, files, folders, "-nostdinc")
    _, recall = compare(f"{name}, as it stands", given & active, active, show)
    measures = [recall, *compare(f"{name}, all branches", given, every, show)]
    measures += compare(f"{name}, folders inferred", inferred, every, show)
    if min(measures) < TARGET:
        yield f"{name}: precision or recall below {TARGET}"
    yield from broken_promises(name, repository, blueprint)


def with_commands(repository: Repository, sources: Iterable[str], folders: Iterable[str]) -> Repository:
    """The repository with a compilation database that passes ``folders`` to every source."""
    flags = [f"-I{folder}" for folder in folders]
    entries = [{"directory": "/build", "file": path, "arguments": ["cc", *flags]} for path in sources]
    file = SourceFile("compile_commands.json", json.dumps(entries), "utf-8", 0, "")
    files = sorted((*repository.files, file), key=lambda file: file.path)
    return dataclasses.replace(repository, files=tuple(files))


def closures(blueprint: Blueprint, files: Iterable[str]) -> set[Edge]:
    """For each file all that its includes come to."""
    direct: dict[str, set[str]] = {}
    for edge in blueprint.dependencies:
        if edge.kind in ("include", "header-pair"):
            direct.setdefault(edge.source, set()).add(edge.target)
    return {(path, target) for path in files for target in reached(path, direct)}


def reached(path: str, direct: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    stack = [path]
    while stack:
        new = direct.get(stack.pop(), set()) - seen
        seen |= new
        stack += new
    return seen - {path}


def gcc_closures(root: Path, files: list[str], folders: Iterable[str], *options: str) -> set[Edge]:
    """What ``gcc -MM -MG`` names for each file, within ``root``."""
    empty = root.parent / "empty"  # what gcc does not find it names as if it lay in the current folder
    empty.mkdir(exist_ok=True)
    include = [f"-I{root / folder}" for folder in folders]

    def call(path: str) -> set[str]:
        language = "c" if path.endswith((".c", ".h")) and "-nostdinc" not in options else "c++"
        command = ["gcc", "-MM", "-MG", "-w", *options, *include, "-x", language, str(root / path)]
        output = subprocess.run(command, cwd=empty, capture_output=True, text=True, timeout=60).stdout
        words = shlex.split(output.partition(":")[2])
        named = {Path(word).resolve() for word in words if word.startswith("/")}
        return {str(file.relative_to(root)) for file in named if file.is_relative_to(root)} - {path}

    return {
        (path, target) for path, found in zip(files, parallel(call, files), strict=True) for target in found
    }


def reduced(path: str, content: str) -> str:
    """A file's includes, with every branch but those of ``#if 0`` active."""
    command = ["gcc", "-fpreprocessed", "-dD", "-E", "-P", "-w", "-x", "c++", "-"]
    bare = subprocess.run(command, input=content.encode(), capture_output=True, timeout=60).stdout
    lines = [f"// {path}", "#pragma once"]  # to gcc files of equal text are one
    for line in bare.decode("utf-8", "replace").splitlines():
        match = re.match(r"\s*#\s*(\w+)\s*(.*)", line)
        name, argument = match.groups() if match else ("", "")
        if name in ("include", "include_next") and argument[:1] in ('"', "<"):
            lines.append(line)
        elif name in ("if", "ifdef", "ifndef"):
            lines.append("#if 0" if (name, argument.strip()) == ("if", "0") else "#if 1")
        elif name in ("else", "elif"):
            lines += ["#endif", "#if 1"]
        elif name == "endif":
            lines.append("#endif")
    return "\n".join(lines) + "\n"


def parallel(function: Callable[[str], Result], values: list[str]) -> list[Result]:
    """Results in the order of ``values``; the calls are of gcc, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, values))


if __name__ == "__main__":
    run(__doc__, "C and C++ against gcc -MM", PROJECTS, check, "gcc")
