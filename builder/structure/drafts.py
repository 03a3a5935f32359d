"""One file of a repository read anew: what a draft in its place would say, while all others stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from builder.structure.languages import READERS, Facts, reader
from builder.structure.scanning import scan_all
from builder.structure.syntax import Unparsed, errors, lines, watching
from builder.structure.types import Blueprint, Definition

_MAX_ERRORS = 8


@dataclass(frozen=True)
class SyntaxFault:
    """Text that does not parse: its first and last line (from 1), and the token that is missing, if any."""

    line: int
    end_line: int
    missing: str = ""


@dataclass(frozen=True)
class Reading:
    """What a text says at a path of a repository whose other files stand as they are.

    ``missing_names`` are pairs of a file or folder and a name asked of it in vain. ``bound`` are the names at
    the top level, ``None`` where the language does not tell.
    """

    faults: tuple[SyntaxFault, ...]
    outline: tuple[Definition, ...]
    unresolved: tuple[str, ...]
    missing_names: tuple[tuple[str, str], ...]
    bound: frozenset[str] | None


class Workspace:
    """A repository of which single files are read anew; the others are scanned once, when first needed."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self._places = {path: place for place, path in enumerate(blueprint.order)}

    def faults(self, path: str, text: str) -> tuple[SyntaxFault, ...] | None:
        """What of ``text`` does not parse; ``None`` where no language here reads the file or text."""
        found = self._scan(path, text)
        return found and found[1]

    def read(self, path: str, text: str) -> Reading | None:
        """``text`` in place of the file at ``path``; ``None`` as for ``faults``."""
        found = self._scan(path, text)
        if found is None:
            return None
        known, faults = found
        language = reader(READERS[self.blueprint.languages[path]])
        facts = {**self._facts[language.link], path: known}
        links = language.link(facts, self.blueprint.repository)
        written = {other for other, place in self._places.items() if place < self._places[path]}
        missing: Callable[..., object] | None = getattr(language, "missing_names", None)
        bound: Callable[[bytes], frozenset[str] | None] | None = getattr(language, "bound", None)
        asked = missing(path, facts, self.blueprint.repository, written) if missing else ()
        return Reading(
            faults=faults,
            outline=known.outline,
            unresolved=tuple(sorted(name for source, name in links.unresolved if source == path)),
            missing_names=tuple(sorted(set(asked))),  # type: ignore[call-overload]
            bound=bound(_encoded(text)) if bound else None,
        )

    def _scan(self, path: str, text: str) -> tuple[Facts, tuple[SyntaxFault, ...]] | None:
        name = READERS.get(self.blueprint.languages.get(path, ""))
        if name is None:
            return None
        with watching() as roots:
            try:
                known = reader(name).scan(_encoded(text))
            except Unparsed:
                return None
        nodes = [node for root in roots for node in errors(root, _MAX_ERRORS)][:_MAX_ERRORS]
        faults = (
            SyntaxFault(lines(node)[0], lines(node)[-1], node.type if node.is_missing else "")
            for node in nodes
        )
        return known, tuple(dict.fromkeys(faults))

    @cached_property
    def _facts(self) -> Mapping[object, Mapping[str, Facts]]:
        """The facts of all files, by the `link` that takes them together."""
        languages = self.blueprint.languages
        read = [file for file in self.blueprint.repository.files if languages[file.path] in READERS]
        modules = [READERS[languages[file.path]] for file in read]
        scanned = scan_all([(module, file.content) for module, file in zip(modules, read, strict=True)], 1)
        together: dict[object, dict[str, Facts]] = {}
        for module, file, known in zip(modules, read, scanned, strict=True):
            together.setdefault(reader(module).link, {})[file.path] = known or Facts()
        return together


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
