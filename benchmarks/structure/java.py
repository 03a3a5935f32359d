"""Java's edges beside what ``jdeps`` reads out of the classes that ``javac`` makes of the same sources.

make bench-structure
python benchmarks/structure/java.py --show --only java.xml

Projects are modules of OpenJDK out of Debian's package with its sources, and source distributions with
Java in them; all are pinned by their hashes. javac runs without annotation processors, and nothing that it
makes is run. It needs a JDK 17 and ``apt-get`` with Debian's package lists.
"""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from _measures import (
    CACHE,
    Edge,
    broken_promises,
    compare,
    debian,
    fetch,
    run,
    slower,
    write_out,
)

from builder.repository import Repository, load
from builder.structure import analyze

TARGET = 0.97  # of recall
TIMED = "java.xml"
# Debian's package, its version and hash.
JDK = (
    "openjdk-17-source",
    "17.0.19+10-1~deb12u2",
    "2591b37131025f872f057be99467b45f7fa2aed928c8d779208db9c3239e1190",
)
_REPORTED = re.compile(r"^   (\S+)\s+-> (\S+)", re.MULTILINE)
_SOURCE_FILE = re.compile(rb"[\w$-]+\.java")


@dataclass(frozen=True)
class Project:
    """Sources that are compiled in the order of their ``roots``; those of the JDK are its modules."""

    name: str
    roots: tuple[str, ...]
    package: str = ""
    without: str = ""  # a folder that needs what javac does not show

    @property
    def is_jdk(self) -> bool:
        """Whether the sources are a part of the JDK's."""
        return not self.package


PROJECTS = (
    Project("java.logging", ("java.logging",)),
    Project("java.xml", ("java.xml",)),
    Project("jdk.jshell", ("jdk.jshell",)),
    Project("jdk compiler", ("java.compiler", "jdk.compiler")),
    Project(
        "jep", ("src/main/java", "src/test/java"),
        "pkg:pypi/jep@4.2.2?checksum=sha256:"
        "4eb79d903133e468c239ba39c8bb5ade021ef202025bf1c9b34a210003e0eab9",
    ),
    Project(
        "jpype1", ("native/java", "test/harness"),
        "pkg:pypi/jpype1@1.5.2?checksum=sha256:"
        "74a42eccf21d30394c1832aec3985a14965fa5320da087b65029d172c0cec43b",
        without="test/harness/java9/",
    ),
)  # fmt: skip


def check(project: Project, folder: Path, show: bool) -> Iterator[str]:
    """Print one project's precision and recall; what is not as promised comes back in words."""
    repository = sources(project)
    blueprint = analyze(repository)
    reported, compiled = ask_jdeps(project, repository, folder)
    ours = {
        (edge.source, edge.target)
        for edge in blueprint.dependencies
        if edge.source in compiled and edge.target in compiled
    }
    _, recall = compare(project.name, ours, reported, show)
    if recall < TARGET:
        yield f"{project.name}: recall below {TARGET}"
    yield from broken_promises(project.name, repository, blueprint)
    if project.name == TIMED:
        yield from slower(project.name, repository, "tree_sitter_java", (".java",))


def sources(project: Project) -> Repository:
    """The project's sources as the project itself reads them."""
    if not project.is_jdk:
        return fetch(project.package)
    folder = CACHE / "java" / project.name.replace(" ", "-")
    if not folder.exists():
        with zipfile.ZipFile(debian(*JDK) / "usr/lib/jvm/openjdk-17/lib/src.zip") as archive:
            wanted = tuple(f"{root}/" for root in project.roots)
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(wanted)])
    return load(folder)


def ask_jdeps(project: Project, repository: Repository, folder: Path) -> tuple[set[Edge], set[str]]:
    """The uses that jdeps reports, folded to files; and the files that were compiled.

    What javac cannot compile, since it needs something that is not here, has no class and counts nowhere.
    """
    write_out(repository, folder / "src", (".java",))
    patches = [
        part for root in project.roots for part in ("--patch-module", f"{root}={folder / 'src' / root}")
    ]
    paths = [file.path for file in repository.files if file.path.endswith(".java")]
    batches = [[path for path in paths if path.startswith(f"{root}/")] for root in project.roots]
    if not project.is_jdk:
        batches = [[path for batch in batches for path in batch]]
    file_of: dict[str, str] = {}
    for number, batch in enumerate(batches):
        target = folder / "classes" / str(number)
        target.mkdir(parents=True)
        left_out = (f"{project.without or '/'}", *(f"{root}/module-info.java" for root in project.roots))
        chosen = [path for path in batch if not path.startswith(left_out)]
        (folder / "arguments").write_text("\n".join(f'"{folder / "src" / path}"' for path in chosen))
        command = ["javac", "-proc:none", "-nowarn", "-XDshould-stop.ifError=GENERATE", "-d", target]
        command += patches if project.is_jdk else []
        subprocess.run([*command, f"@{folder / 'arguments'}"], capture_output=True, check=False)
        roots = [project.roots[number]] if project.is_jdk else project.roots
        for compiled in target.rglob("*.class"):
            if path := source_of(compiled, compiled.relative_to(target), roots, set(batch)):
                name = str(compiled.relative_to(target)).removesuffix(".class").replace("/", ".")
                file_of[name] = path
    command = ["jdeps", "-v", *sorted(map(str, (folder / "classes").iterdir()))]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    reported: set[Edge] = set()
    for user, used in _REPORTED.findall(output):
        edge = file_of.get(user, ""), file_of.get(used, "")
        if all(edge) and edge[0] != edge[1]:
            reported.add(edge)
    return reported, set(file_of.values())


def source_of(compiled: Path, inside: Path, roots: tuple[str, ...] | list[str], known: set[str]) -> str:
    """The source file of a class: the one of its outer type's name, or else the one that the class names."""
    names = [inside.name.removesuffix(".class").partition("$")[0] + ".java"]
    names += [name.decode() for name in _SOURCE_FILE.findall(compiled.read_bytes())]
    paths = (str(Path(root) / inside.parent / name) for name in names for root in roots)
    return next((path for path in paths if path in known), "")


if __name__ == "__main__":
    title = "Java against javac and jdeps of JDK 17"
    run(__doc__, title, PROJECTS, check, "javac", "jdeps", "apt-get", "dpkg-deb")
