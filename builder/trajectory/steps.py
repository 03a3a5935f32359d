"""Steps: what the agents did, in order. Files are referred to by path; their content stands elsewhere."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from builder.repository import Repository

MAIN = "main"

# The kinds of step, in the order in which they occur, each with its role: what the loss policy names.
ROLES = {
    "requirement": "requirement",  # main: what a user would have asked for
    "plan": "plan",  # main: the overview (path ""), then an entry for each file
    "delegate": "call",  # main: hands a file to a sub-agent
    "spec": "spec",  # what the sub-agent is given: the outline of its file
    "need": "think",  # sub-agent: which files it wants to read
    "read": "call",
    "observation": "observation",  # what a read returned
    "design": "think",  # sub-agent: how it will write the file; what the search rewrites
    "draft": "draft",  # sub-agent: a first try, shown only where the checks of it find something
    "check": "observation",  # what the checks found
    "debug": "think",  # sub-agent: what is wrong there; `unresolved` where the file itself has it too
    "write": "code",
    "finish": "call",  # sub-agent: back to main
}

FILE_KINDS = ("observation", "write")  # their text is the content of the file that they name
# What needs no model: neither words nor thoughts.
STRUCTURE_KINDS = ("delegate", "spec", "read", "observation", "write", "finish")

DEFAULT_LOSS_ROLES = frozenset({"requirement", "plan", "think", "call", "code"})

TAGS = (
    "requirement", "plan", "implement", "spec", "think", "read", "observation", "draft", "check", "write",
    "file",
)  # fmt: skip
_TAG_LIKE = re.compile(rf"</?(?:{'|'.join(TAGS)})(?:-\d+)?(?![\w-])[^>\n]*>?")
# Everything but tab and newline below space, DEL, the C1 block, and lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")


@dataclass(frozen=True)
class Step:
    """One thing that an agent did, or was shown.

    ``text`` is what the step says (ends with a newline); empty for steps that only name a file. The
    text of observations and writes is the file's content and is not kept here.
    """

    agent: str  # MAIN, or the path of the file that the sub-agent writes
    kind: str  # a key of ROLES
    path: str = ""
    text: str = ""
    sees: str = ""
    prompt: str = ""
    unknown_names: float = 0.0
    defect: str = ""  # of a debug thought: kind and name of what it speaks of, with ":" between them
    resolved: bool = True  # of a debug thought: whether the file that is written is free of it

    @property
    def role(self) -> str:
        return ROLES[self.kind] if self.resolved else "unresolved"


@dataclass(frozen=True)
class Trajectory:
    """A repository rebuilt, step by step; ``steps`` is flat, sub-agents stand where they are called."""

    repository: Repository
    steps: tuple[Step, ...]


def without_words(trajectory: Trajectory) -> Trajectory:
    """The structure and the code alone: what ``spec-only`` renders."""
    return _only(trajectory, STRUCTURE_KINDS)


def writes_only(trajectory: Trajectory) -> Trajectory:
    """The files alone, in their order: what ``raw-repos`` renders."""
    return _only(trajectory, ("write",))


def _only(trajectory: Trajectory, kinds: Collection[str]) -> Trajectory:
    return replace(trajectory, steps=tuple(step for step in trajectory.steps if step.kind in kinds))


def printable(generated: str) -> str:
    """Model output with newlines alone at the ends of lines, and without control characters."""
    return _CONTROL.sub("", generated.replace("\r\n", "\n").replace("\r", "\n"))


def clean(generated: str, max_chars: int = 4000) -> str:
    """Model output made fit to stand in a step: bounded, one trailing newline, none of our own tags.

    Returns ``""`` where nothing is left: such a step is not written.
    """
    # Cut first: that can make a tag, `<think`, of a longer word.
    text = _tidy(printable(generated))[:max_chars]
    # Removing one tag can make another out of its neighbours.
    while True:
        text, count = _TAG_LIKE.subn("", text)
        if not count:
            break
    text = _tidy(text)
    return text + "\n" if text else ""


def _tidy(text: str) -> str:
    """``text`` without blanks at the ends of lines, and with one empty line at most between two others."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text).strip())
