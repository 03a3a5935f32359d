"""Where a file stands in its build: its source root, its module, and which modules that one depends on."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from builder.repository import Repository
from builder.structure.paths import join, parents

_SOURCE_SET = re.compile(r"(?:(.*)/)?src/([^/]+)/(?:java|kotlin|scala|groovy)(?:/|\Z)")
_GRADLE = (".gradle", ".gradle.kts")
_NO_MODULE = ("settings.gradle", "settings.gradle.kts", "init.gradle", "init.gradle.kts")
_PROJECT = re.compile(r"\bproject\s*\(\s*(?:path\s*[:=]\s*)?[\"']:?([^\"'\n]+)[\"']|\bprojects\.([\w.]+)")
_ARTIFACT = re.compile(r"<artifactId>\s*([^<\s]+)")
_TEST_SCOPE = re.compile(r"<scope>\s*test\s*<")
_MAX_CONFIGURATION = 80  # characters before a module, in which its configuration is named
_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")
_TESTS = {"test", "tests"}
# Source sets of a multiplatform project are called like commonMain; some projects have folders common/src.
_PLATFORM = re.compile(
    r"(?:.*/)?(?:src/([a-z]\w*?)(?:Main|Test)(?:/.*)?|(common|jvm|js|android|native|posix|darwin|ios)/(?:src|test)(?:/.*)?)"
)
_LEAVES = {"jvm", "js", "android", "native", "ios", "wasm", "wasmJs"}  # none of them sees another


@dataclass(frozen=True)
class Place:
    """``root`` is the folder that packages are counted from, ``module`` the one that is built as a whole."""

    root: str
    module: str
    platform: str  # of a multiplatform project
    is_test: bool

    def sees(self, other: Place) -> bool:
        """Whether sources in the other place can be seen from here. Only tests see tests."""
        if other.is_test and not self.is_test:
            return False
        if self.module != other.module or self.platform == other.platform or not other.platform:
            return True
        return self.platform != "common" and not {self.platform, other.platform} <= _LEAVES


class Modules:
    """The modules of a repository by their folders: where Maven, Gradle or Ant have a file that builds."""

    def __init__(self, repository: Repository) -> None:
        # What the build file in a folder asks for, for its main sources and for its tests.
        self._needs: dict[str, tuple[set[str], set[str]]] = {}
        self._all: dict[tuple[str, bool], frozenset[str]] = {}
        texts: dict[str, list[str]] = defaultdict(list)
        artifacts: dict[str, set[str]] = defaultdict(set)
        for file in repository.files:
            folder, _, name = file.path.rpartition("/")
            if name == "pom.xml":
                content = _without(_without(file.content, "<!--", "-->"), "<parent>", "</parent>")
                if own := _ARTIFACT.search(content):
                    artifacts[own[1]].add(folder)
                texts[folder].append(content)
            elif name == "build.xml" or (name.endswith(_GRADLE) and name not in _NO_MODULE):
                texts[folder].append(file.content)
        named: dict[str, set[str]] = defaultdict(set)
        for folder in texts:
            named[folder.rpartition("/")[2]].add(folder)
        for folder, contents in texts.items():
            self._needs[folder] = set(), set()
            for content in contents:
                for wanted, for_tests in _artifacts(content):
                    self._needs[folder][for_tests].update(artifacts.get(wanted, ()))
                for wanted, for_tests in _projects(content):
                    around = (join(place, wanted) for place in parents(folder))
                    exact = {place for place in around if place in texts}
                    by_name = named.get(wanted.rpartition("/")[2], set())
                    self._needs[folder][for_tests].update(exact or (by_name if len(by_name) == 1 else ()))

    def place(self, path: str, package: str) -> Place:
        """Where the file at ``path`` stands, which says that it is of ``package``."""
        folder = path.rpartition("/")[0]
        if match := _SOURCE_SET.match(f"{folder}/"):
            root = match[0].rstrip("/")
            is_test = "test" in match[2].lower()
        else:
            root = _stripped(folder, package)
            is_test = not _TESTS.isdisjoint(root.lower().split("/"))
        module = next((place for place in (root, *parents(root)) if place in self._needs), "")
        platform = _PLATFORM.fullmatch(root)
        return Place(root, module, (platform[1] or platform[2]) if platform else "", is_test)

    def needed(self, place: Place) -> frozenset[str]:
        """The modules that the one of ``place`` depends on by what build files say, over others, too."""
        key = place.module, place.is_test
        if key not in self._all:
            # What a folder above says may count for all modules in it.
            holders = [
                self._needs[above] for above in (place.module, *parents(place.module)) if above in self._needs
            ]
            stack = [
                needed for main, tests in holders for needed in (*main, *(tests if place.is_test else ()))
            ]
            seen: set[str] = set()
            while stack:
                needed = stack.pop()
                if needed not in seen:
                    seen.add(needed)
                    stack += self._needs[needed][0]
            self._all[key] = frozenset(seen)
        return self._all[key]


def _without(content: str, start: str, end: str) -> str:
    """``content`` without the stretches from ``start`` to ``end``."""
    first, *rest = content.split(start)
    return first + "".join(part.partition(end)[2] for part in rest)


def _artifacts(content: str) -> Iterator[tuple[str, bool]]:
    """The artifacts that a Maven file depends on, and whether only its tests do."""
    for part in content.split("<dependency>")[1:]:
        block = part.partition("</dependency>")[0]
        if match := _ARTIFACT.search(block):
            yield match[1], bool(_TEST_SCOPE.search(block))


def _projects(content: str) -> Iterator[tuple[str, bool]]:
    """The folders of modules that a Gradle file asks for, and whether only its tests do."""
    for match in _PROJECT.finditer(content):
        before = content[max(0, match.start() - _MAX_CONFIGURATION) : match.start()].rpartition("\n")[2]
        path, accessor = match.groups()
        folder = path or _CAPITAL.sub(r"-\1", accessor).lower().replace(".", "/")
        yield folder.replace(":", "/"), "test" in before.lower()


def _stripped(folder: str, package: str) -> str:
    """``folder`` less the folders at its end that stand for the end of ``package``."""
    parts, names = folder.split("/"), package.split(".")
    for length in range(min(len(parts), len(names)), 0, -1):
        if parts[-length:] == names[-length:]:
            return "/".join(parts[:-length])
    return folder
