"""Real checks of a draft: what a reader could find wrong with it by then. Nothing of it is run.

A defect is something that the parser and the imports show, never a guess: what cannot be told is no defect.
What later files will want of this one is not known yet and not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from builder.structure import Blueprint, Definition, Reading, Workspace

# The kinds of defect, in the order in which they are shown.
PARSE, IMPORT, NAME, CONTRACT = KINDS = ("parse", "import", "name", "contract")
UNFINISHED = "The draft stops before its end."

_MAX_DEFECTS = 10  # shown of one draft
_MAX_CUTS = 50  # tries to find what parses of a draft that was cut off
_MAX_QUOTED = 120  # characters of the draft in a sentence
_WORD = re.compile(r"\w+")
_COMPUTED = re.compile(r"[${}()\s]|^[A-Z_][A-Z0-9_]*$")  # a name that only a run, or a macro, would tell


@dataclass(frozen=True)
class Defect:
    """One thing that is wrong with a draft. ``sentence`` is what an observation shows, on one line."""

    kind: str  # one of KINDS
    name: str
    sentence: str

    @property
    def key(self) -> str:
        """``kind:name``, by which a defect of a draft is found again in another text for the same file."""
        return f"{self.kind}:{self.name}"


@dataclass
class Checker:
    """Checks drafts for the files of one repository."""

    blueprint: Blueprint
    _known: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.workspace = Workspace(self.blueprint)
        # What the repository itself imports in vain is generated or compiled, and will be there.
        self._elsewhere = {name for _, name in self.blueprint.unresolved}

    def check(self, draft: str, path: str, whole: bool = True) -> tuple[Defect, ...]:
        """What is wrong with ``draft`` in place of the file at ``path``, at most ten things.

        A draft that is not ``whole`` may define the rest of its contract further on.
        """
        return tuple(_spread(list(self._defects(draft, path, whole)))[:_MAX_DEFECTS])

    def is_resolved(self, key: str, path: str) -> bool:
        """Whether the real file at ``path`` is free of the defect with that ``key``."""
        if path not in self._known:
            content = self.blueprint.repository.file(path).content
            found = [defect.key for defect in self._defects(content, path, whole=True)]
            self._known[path] = frozenset(found)
        if key.startswith(f"{PARSE}:"):
            return not any(known.startswith(f"{PARSE}:") for known in self._known[path])
        return key not in self._known[path]

    def unfinished(self, draft: str, path: str) -> str:
        """What of a draft that was cut off is fit to be checked; ``""`` where nothing is.

        Its end is torn, so that goes up to a line at the left margin, and more as long as the rest does not
        parse: what the limit broke is no defect of the draft.
        """
        lines = [f"{line}\n" for line in draft.split("\n")]
        margins = [number for number, line in enumerate(lines) if line[:1].strip()]
        for number in reversed(margins[-_MAX_CUTS:]):
            text = "".join(lines[:number])
            if text.strip() and self.workspace.faults(path, text) == ():
                return text
        return ""

    def _defects(self, draft: str, path: str, whole: bool) -> Iterator[Defect]:
        reading = self.workspace.read(path, draft)
        if reading is None:
            return
        if reading.faults:
            # As with any compiler, what does not parse is checked no further. A grammar that cannot read the
            # real file either says nothing about a draft.
            if not self.workspace.faults(path, self.blueprint.repository.file(path).content):
                yield from _faults(draft, reading)
            return
        for name in reading.unresolved:
            if name not in self._elsewhere and not _COMPUTED.search(name):
                sentence = f"The import of {_quoted(name)} does not resolve to a file of this project."
                yield Defect(IMPORT, name, sentence)
        for place, name in reading.missing_names:
            sentence = f"{_quoted(name)} is asked of {_quoted(place)}, which does not define it."
            yield Defect(NAME, f"{place}:{name}", sentence)
        if whole:
            yield from _missing(self.blueprint.outlines.get(path, ()), reading, draft)


def check(draft: str, path: str, blueprint: Blueprint, whole: bool = True) -> tuple[Defect, ...]:
    """As :meth:`Checker.check`, for a single draft."""
    return Checker(blueprint).check(draft, path, whole)


def observation(defects: Sequence[Defect], whole: bool) -> str:
    """What a sub-agent is shown: a defect a line."""
    lines = [defect.sentence for defect in defects] + ([] if whole else [UNFINISHED])
    return "".join(f"{line}\n" for line in lines)


def _spread(defects: list[Defect]) -> list[Defect]:
    """The first of each kind, then the second of each kind, and so on: a few of them show what there is."""
    seen: dict[str, int] = {}
    ranks = []
    for defect in defects:
        seen[defect.kind] = seen.get(defect.kind, 0) + 1
        ranks.append((seen[defect.kind], KINDS.index(defect.kind)))
    return [defect for _, defect in sorted(zip(ranks, defects, strict=True), key=lambda pair: pair[0])]


def _faults(draft: str, reading: Reading) -> Iterator[Defect]:
    lines = draft.split("\n")
    for fault in reading.faults:
        shown = _quoted(lines[fault.line - 1]) if fault.line <= len(lines) else "the end"
        if fault.missing:
            sentence = f"Line {fault.line} lacks {_quoted(fault.missing)}: {shown}"
        elif fault.line == fault.end_line:
            sentence = f"Line {fault.line} does not parse: {shown}"
        else:
            sentence = f"Lines {fault.line} to {fault.end_line} do not parse, beginning with {shown}"
        yield Defect(PARSE, f"line {fault.line}", sentence)


def _missing(contract: Sequence[Definition], reading: Reading, draft: str) -> Iterator[Defect]:
    """Names of the contract that the draft does not define; of a class that is missing, the class alone."""
    offered: dict[str, list[Definition]] = {}
    for name, entry in _qualified(reading.outline):
        offered.setdefault(name, []).append(entry)
    lines = draft.split("\n")
    missing: set[str] = set()
    for name, entry in _qualified(contract):
        holder = name.rpartition("\0")[0]
        if name in offered or name in missing:
            continue
        if holder in missing:
            missing.add(name)
            continue
        if holder and not _is_as_agreed(holder, contract, offered.get(holder, [])):
            continue
        if not holder and reading.bound is not None:
            stands = entry.name.partition("[")[0] in reading.bound
        else:
            # No definition that an outline shows; but a name that stands there may be bound in another way.
            parts = [lines[held.start_line - 1 : held.end_line] for held in offered.get(holder, [])]
            place = "\n".join(line for part in parts for line in part) if holder else draft
            stands = set(_WORD.findall(entry.name)) <= set(_WORD.findall(place))
        if not stands:
            missing.add(name)
            shown = name.replace("\0", ".")
            yield Defect(CONTRACT, shown, f"{_quoted(shown)} is in the outline, but not in the draft.")


def _qualified(outline: Sequence[Definition]) -> Iterator[tuple[str, Definition]]:
    """Each entry with its name behind those of its holders."""
    holders: list[str] = []
    for entry in outline:
        del holders[entry.depth :]
        holders.append(entry.name)
        yield "\0".join(holders), entry


def _is_as_agreed(holder: str, contract: Sequence[Definition], drafted: list[Definition]) -> bool:
    """Whether a class of a draft has the bases of its contract, or none: others could be inherited from."""
    agreed = {entry.signature for name, entry in _qualified(contract) if name == holder}
    return any(entry.signature in agreed or entry.signature.endswith(entry.name) for entry in drafted)


def _quoted(name: str) -> str:
    """Text of a draft or repository within a sentence: on one line, bounded, between backticks."""
    line = " ".join(name.split())
    line = line if len(line) <= _MAX_QUOTED else line[: _MAX_QUOTED - 1] + "…"
    return f"`{line}`"
