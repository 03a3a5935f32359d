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
_PROJECT = re.compile(r"\bproject\s*\(\s*(?:path\s*[:=]\s*)?[\"']:?([^\"']+)[\"']")
_ACCESSOR = re.compile(r"\bprojects\.((?:\w+\.)*\w+)")
_DEPENDENCY = re.compile(r"<dependency>(?:(?!</dependency>).)*?<artifactId>\s*([^<\s]+)", re.DOTALL)
_PARENT = re.compile(r"<parent>.*?</parent>|<!--.*?-->", re.DOTALL)
_ARTIFACT = re.compile(r"<artifactId>\s*([^<\s]+)")
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
        self._needs: dict[str, set[str]] = {}
        self._all: dict[str, frozenset[str]] = {}
        texts: dict[str, list[str]] = defaultdict(list)
        artifacts: dict[str, set[str]] = defaultdict(set)
        for file in repository.files:
            folder, _, name = file.path.rpartition("/")
            if name == "pom.xml":
                content = _PARENT.sub("", file.content)
                if own := _ARTIFACT.search(content):
                    artifacts[own[1]].add(folder)
                texts[folder].append(content)
            elif name.endswith(_GRADLE) and name not in _NO_MODULE:
                texts[folder].append(file.content)
            elif name == "build.xml":
                texts[folder].append("")
        by_name: dict[str, set[str]] = defaultdict(set)
        for folder in texts:
            by_name[folder.rpartition("/")[2]].add(folder)
        for folder, contents in texts.items():
            self._needs[folder] = set()
            for content in contents:
                for wanted in _DEPENDENCY.findall(content):
                    self._needs[folder] |= artifacts.get(wanted, set())
                for relative in _projects(content):
                    around = (join(place, relative) for place in parents(folder))
                    exact = next((place for place in around if place in texts), None)
                    named = by_name.get(relative.rpartition("/")[2], set())
                    self._needs[folder] |= (
                        {exact} if exact is not None else named if len(named) == 1 else set()
                    )

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

    def needed(self, module: str) -> frozenset[str]:
        """The modules that ``module`` depends on by what its build files say, over others, too."""
        if module not in self._all:
            seen: set[str] = set()
            # What a folder above says may count for all modules in it.
            stack = [module, *parents(module)]
            while stack:
                for needed in self._needs.get(stack.pop(), ()):
                    if needed not in seen:
                        seen.add(needed)
                        stack.append(needed)
            self._all[module] = frozenset(seen)
        return self._all[module]


def _projects(content: str) -> Iterator[str]:
    for path in _PROJECT.findall(content):
        yield path.replace(":", "/")
    for path in _ACCESSOR.findall(content):
        yield _CAPITAL.sub(r"-\1", path.replace(".", "/")).lower()


def _stripped(folder: str, package: str) -> str:
    """``folder`` less the folders at its end that stand for the end of ``package``."""
    parts, names = folder.split("/"), package.split(".")
    for length in range(min(len(parts), len(names)), 0, -1):
        if parts[-length:] == names[-length:]:
            return "/".join(parts[:-length])
    return folder
