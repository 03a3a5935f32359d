"""What a language's module offers, and which module reads which language."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from builder.repository import Repository
from builder.structure.types import KINDS, Definition, Dependency

# Languages whose structure is read. Adding one is a module here and its line (two names may share a module).
READERS = {
    "C": "builder.structure.c",
    "C#": "builder.structure.csharp",
    "C++": "builder.structure.c",
    "Cuda": "builder.structure.c",
    "Go": "builder.structure.go",
    "HTML+PHP": "builder.structure.php",
    "Java": "builder.structure.jvm.java",
    "JavaScript": "builder.structure.javascript",
    "Kotlin": "builder.structure.jvm.kotlin",
    "PHP": "builder.structure.php",
    "Python": "builder.structure.python",
    "Ruby": "builder.structure.ruby",
    "Rust": "builder.structure.rust",
    "TSX": "builder.structure.javascript.tsx",
    "TypeScript": "builder.structure.javascript.typescript",
}


@dataclass(frozen=True)
class Import:
    """One name that a file asks for, as written. ``level`` counts the dots of a relative form."""

    module: str
    name: str = ""  # of `from module import name`; "*" for all
    level: int = 0
    kind: str = "import"  # as in Dependency
    form: str = ""  # how it is asked for, where that decides what is found: "require" of a conditional export


@dataclass(frozen=True)
class Facts:
    """What one file says by itself."""

    imports: tuple[Import, ...] = ()
    outline: tuple[Definition, ...] = ()
    header_lines: frozenset[int] = frozenset()
    is_script: bool = False  # made to be started by its path


@dataclass(frozen=True)
class Links:
    """What the imports of all files of a language come to."""

    dependencies: frozenset[Dependency]
    external: frozenset[str]
    unresolved: frozenset[tuple[str, str]]


class Found:
    """Collects what :func:`Language.link` finds. Of several edges between two files the strongest counts."""

    def __init__(self) -> None:
        self.external: set[str] = set()
        self.unresolved: set[tuple[str, str]] = set()
        self._kinds: dict[tuple[str, str], str] = {}

    def edge(self, source: str, target: str, kind: str) -> None:
        """One file needs another; that it needs itself says nothing."""
        if source != target:
            known = self._kinds.get((source, target), kind)
            self._kinds[source, target] = min(known, kind, key=KINDS.index)

    def links(self) -> Links:
        """All that was collected."""
        edges = frozenset(Dependency(source, target, kind) for (source, target), kind in self._kinds.items())
        return Links(edges, frozenset(self.external), frozenset(self.unresolved))


class Language(Protocol):
    """What a language's module offers.

    It may offer two functions more, for checks of drafts (:mod:`builder.structure.drafts`), where its facts
    can tell: ``bound(source)``, the names that a file has at its top level, or ``None`` where only running it
    would tell; and ``missing_names(path, facts, repository, written)``, pairs of a file or folder that is
    ``written`` and a name that the file at ``path`` asks of it in vain.
    """

    def scan(self, source: bytes) -> Facts:
        """Read one file's UTF-8 text alone. What has syntax errors gives the facts of what parses of it.

        Fails only by :class:`builder.structure.syntax.Unparsed`, which ``parse`` raises past its bounds.
        """
        ...

    def link(self, facts: Mapping[str, Facts], repository: Repository) -> Links:
        """Resolve imports by the language's own rules. What is outside never lands on a file inside.

        ``facts`` are those of all files in languages that share this very function: such languages may
        import from one another.
        """
        ...


def reader(name: str) -> Language:
    """The module called ``name``: one of the values of :data:`READERS`."""
    return cast(Language, importlib.import_module(name))
