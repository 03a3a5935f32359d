"""What the benchmarks share: fetching, comparing, and the promises on order, JSON and speed."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

from tree_sitter import Language, Parser

from builder.repository import Repository, load
from builder.structure import Blueprint, analyze, as_json, out_of_order

Edge = tuple[str, str]
T = TypeVar("T")
CACHE = Path(os.environ.get("REPO2AGENT_CACHE") or ".cache/benchmarks").absolute()

ROUNDS = 5  # of timing, of which the median counts


def run(
    description: str | None,
    title: str,
    projects: Iterable[T],
    check: Callable[[T, Path, bool], Iterable[str]],
    *commands: str,
) -> None:
    """What every script does: ``check`` each project and end with status 1 where one is not as promised.

    ``check`` prints the measures of a project, and where edges differ if its last argument says so; it gives
    back in words what does not hold. The folder that it gets is empty and its own. ``commands`` are the tools
    that it needs.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--show", action="store_true", help="list what differs: + ours, - the oracle's")
    parser.add_argument("--only", default="", metavar="NAME", help="projects whose name begins so")
    options = parser.parse_args()
    if missing := [command for command in commands if not shutil.which(command)]:
        sys.exit(f"FAILED: this benchmark needs {', '.join(missing)}; install that and run it again")
    print(title)
    problems: list[str] = []
    for project in projects:
        if getattr(project, "name", str(project)).startswith(options.only):
            with tempfile.TemporaryDirectory() as folder:
                problems += check(project, Path(folder).resolve(), options.show)
    fail(problems)


def fetch(package: str) -> Repository:
    """The source distribution that a pinned package URL names, from the benchmark's cache or the index."""
    return load(package, cache=CACHE)


def debian(package: str, version: str, sha256: str) -> Path:
    """The files of a Debian package, unpacked in the cache; fails where they are not what was pinned.

    Needs ``apt-get`` with package lists. Nothing of the package is installed.
    """
    folder = CACHE / "debian" / sha256
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            download = ["apt-get", "download", "-qq", f"{package}={version}"]
            subprocess.run(download, cwd=name, check=True, capture_output=True)
            archive = next(Path(name).glob("*.deb"))
            _check(archive, sha256)
            subprocess.run(["dpkg-deb", "-x", archive, Path(name, "files")], check=True)
            Path(name, "files").rename(folder)
    return folder


def debian_source(package: str, version: str, sha256: str) -> Path:
    """The files of a Debian source package's upstream archive, unpacked in the cache; else as ``debian``."""
    folder = CACHE / "debian" / sha256
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            options = _source_lists(folder.parent)
            download = ["apt-get", *options, "source", "-qq", "--download-only", f"{package}={version}"]
            subprocess.run(download, cwd=name, check=True, capture_output=True)
            archive = next(Path(name).glob("*.orig.tar.*"))
            _check(archive, sha256)
            Path(name, "files").mkdir()
            extract = ["tar", "-x", "--strip-components=1", "-C", Path(name, "files"), "-f", archive]
            subprocess.run(extract, check=True)
            Path(name, "files").rename(folder)
    return folder


def _check(archive: Path, sha256: str) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        sys.exit(f"FAILED: {archive.name} is not the file that was pinned: it hashes to {found}")


def _source_lists(folder: Path) -> list[str]:
    """Options that let apt-get see the source packages of the archives that this machine has in its lists."""
    lists, state = folder / "sources", folder / "lists"
    options = [
        "-o", f"Dir::Etc::SourceList={lists}.list", "-o", f"Dir::Etc::SourceParts={lists}",
        "-o", f"Dir::State::Lists={state}",
    ]  # fmt: skip
    if not state.exists():
        (state / "partial").mkdir(parents=True)
        lists.mkdir(exist_ok=True)
        for file in sorted(Path("/etc/apt").glob("sources.list*")):
            for part in [file] if file.is_file() else sorted(file.iterdir()):
                text = re.sub(r"(?m)^Types:.*", "Types: deb-src", part.read_text())
                (lists / part.name).write_text(re.sub(r"(?m)^deb\s", "deb-src ", text))
        Path(f"{lists}.list").write_text("")
        subprocess.run(["apt-get", *options, "update", "-qq"], check=True, capture_output=True)
    return options


def environment(name: str, requirement: str) -> Path:
    """The interpreter of an environment of its own that holds ``requirement``, made where it is missing."""
    folder = CACHE / "environments" / f"{name}-{requirement.replace('==', '-')}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", requirement]
        subprocess.run(pip, check=True)
        (folder / "ready").touch()
    return python


def write_out(repository: Repository, folder: Path, suffixes: tuple[str, ...] = ("",)) -> None:
    """Put the included files on disk for an oracle: exactly the text that the project itself has read."""
    for file in repository.files:
        if file.path.endswith(suffixes):
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.content, encoding="utf-8", newline="")


def compare(name: str, ours: Collection[Edge], oracle: Collection[Edge], show: bool) -> tuple[float, float]:
    """Print precision and recall of ``ours`` against ``oracle``, and with ``show`` where they differ."""
    found, wanted = set(ours), set(oracle)
    precision = len(found & wanted) / max(1, len(found))
    recall = len(found & wanted) / max(1, len(wanted))
    print(f"{name:36} {len(wanted):6} edges   precision {precision:.4f}   recall {recall:.4f}", flush=True)
    if show:
        for sign, edges in (("+", found - wanted), ("-", wanted - found)):
            for source, target in sorted(edges):
                print(f"    {sign} {source} -> {target}")
    return precision, recall


def violations(blueprint: Blueprint) -> list[Edge]:
    """Edges outside a cycle that the order does not run from later to earlier: there must be none."""
    assert len(set(blueprint.order)) == len(blueprint.repository.files), "the order is no permutation"
    return out_of_order(blueprint.order, ((edge.source, edge.target) for edge in blueprint.dependencies))


def broken_promises(name: str, repository: Repository, blueprint: Blueprint) -> list[str]:
    """What does not hold of the order and of another run with 8 workers, in words."""
    problems = []
    if wrong := violations(blueprint):
        problems.append(f"{name}: {len(wrong)} edges run the wrong way in the order, such as {wrong[0]}")
    if serialised(blueprint) != serialised(analyze(repository, workers=8)):
        problems.append(f"{name}: another run with 8 workers gives other JSON")
    return problems


def serialised(blueprint: Blueprint) -> str:
    """The JSON that ``repo2agent structure --json`` prints."""
    return json.dumps(as_json(blueprint), ensure_ascii=False)


def ratio(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> float:
    """How many times as long ``ours`` takes as ``theirs``: medians of ``rounds`` that alternate.

    In seconds of this process on a core, so that a busy machine does not disturb.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for run, taken in zip((ours, theirs), seconds, strict=True):
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    return statistics.median(seconds[0]) / statistics.median(seconds[1])


def parse_all(grammar: str, repository: Repository, suffixes: tuple[str, ...]) -> None:
    """Parse with tree-sitter alone what the analysis parses; ``grammar`` as ``syntax.parse`` takes it."""
    package, _, function = grammar.partition(":")
    parser = Parser(Language(getattr(importlib.import_module(package), function or "language")()))
    for file in repository.files:
        if file.path.endswith(suffixes):
            parser.parse(file.content.encode())


def slower(
    name: str, repository: Repository, grammar: str, suffixes: tuple[str, ...], limit: float | None = None
) -> list[str]:
    """Print how many times as long as parsing alone the whole analysis takes; in words if above ``limit``."""
    times = ratio(lambda: analyze(repository), lambda: parse_all(grammar, repository, suffixes), ROUNDS)
    print(f"{name:36} analysis takes {times:.2f} times as long as parsing alone", flush=True)
    return [f"{name}: analysis takes {times:.2f} times as long as parsing"] if limit and times > limit else []


def fail(problems: list[str]) -> None:
    """End with status 1 and a line for each problem, where there are any."""
    if problems:
        sys.exit("\n".join(f"FAILED: {problem}" for problem in problems))
