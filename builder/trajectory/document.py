"""Rendering: steps to one text, with role spans that tile it.

The text that is rendered here is the text that is scored, stored and trained on. Every step becomes a
few spans: its own text (``content``) and the tags around it. Tags carry a suffix that stands in no
file of the repository and in no draft, so neither can close them; other generated text is cleaned of tags.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypedDict

from builder.repository import SourceFile
from builder.trajectory.steps import DEFAULT_LOSS_ROLES, TAGS, Step, Trajectory


class Range(TypedDict):
    start: int
    end: int


class Span(TypedDict):
    """A half-open character range of the text with one role; ``step`` indexes the steps."""

    start: int
    end: int
    role: str
    loss: bool
    step: int
    content: bool


class Segment(TypedDict):
    """A place where a long document may be cut, and the plan lines that a continuation needs there."""

    start: int
    end: int
    path: str
    plan: list[Range]


@dataclass
class Document:
    """A rendered trajectory. ``spans`` tile ``text``; ``segments`` tile what follows the plan.

    In a chat template ``markup`` are the numbers of the spans that may hold special tokens, and ``escaped``
    the steps whose text stands as in a JSON string.
    """

    text: str
    spans: list[Span]
    segments: list[Segment]
    preamble: Range
    markup: frozenset[int] = frozenset()
    escaped: frozenset[int] = frozenset()


@dataclass
class Writer:
    """Collects the spans of a document from its beginning to its end."""

    loss_roles: Collection[str]
    pieces: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    length: int = 0

    def add(self, text: str, role: str, step: int, content: bool = False) -> Range:
        """Append ``text``; an empty one leaves no span. Returns where it stands."""
        start = self.length
        if text:
            self.pieces.append(text)
            self.length += len(text)
            self.spans.append(
                Span(
                    start=start,
                    end=self.length,
                    role=role,
                    loss=role in self.loss_roles,
                    step=step,
                    content=content,
                )
            )
        return Range(start=start, end=self.length)

    def document(self, segments: list[Segment], preamble: Range) -> Document:
        """All that was written."""
        return Document("".join(self.pieces), self.spans, segments, preamble)


@lru_cache(maxsize=16)  # a search renders one document many times, and only its thoughts differ
def fence_suffix(contents: tuple[str, ...]) -> str:
    """The shortest of ``""``, ``"-1"``, ``"-2"``, … with which no tag of ours stands in ``contents``."""
    names = "|".join(TAGS)
    number = 0
    while True:
        suffix = f"-{number}" if number else ""
        tag = re.compile(rf"</?(?:{names}){suffix}(?![\w-])")
        if not any(tag.search(content) for content in contents):
            return suffix
        number += 1


def code_pieces(file: SourceFile) -> Iterator[tuple[str, str]]:
    """The content of ``file`` as ``(text, role)``: code, redacted placeholders, or boilerplate."""
    role = "boilerplate" if file.boilerplate else "code"
    position = 0
    for start, end in file.redactions:
        yield file.content[position:start], role
        yield file.content[start:end], "redacted"
        position = end
    yield file.content[position:], role


def _tag(name: str, path: str) -> str:
    return f'{name} path="{html.escape(path)}"'


def gap(content: str) -> str:
    """What stands between a file's content and the closing tag: a space, unless one newline ends the content.

    A server that takes text sees the whole of it, and must find the tokens that spans give apart. Tokenizers
    merge a last ``)`` with the tag, or part a run of whitespace before it; none does so across a space.
    """
    return "" if not content or re.fullmatch(r"\S\n", content[-2:]) else " "


def render(trajectory: Trajectory, loss_roles: Collection[str] = DEFAULT_LOSS_ROLES) -> Document:
    """Flatten ``trajectory`` into one document; sub-agents stand where the main agent calls them."""
    renderer = Renderer(trajectory, loss_roles)
    for number in range(len(trajectory.steps)):
        renderer.add(number)
    add_plans(renderer.segments, renderer.plan, trajectory.steps)
    return renderer.out.document(renderer.segments, renderer.preamble)


class Renderer:
    """Writes the steps of ``trajectory`` down, one after another.

    Attributes:
        out: All that has been written.
        segments: The sub-agents so far, without their plan lines.
        plan: Where the plan speaks of a file, by its path.
        preamble: Where the requirement stands.
    """

    def __init__(self, trajectory: Trajectory, loss_roles: Collection[str] = DEFAULT_LOSS_ROLES) -> None:
        self.trajectory = trajectory
        self.out = Writer(loss_roles)
        self.segments: list[Segment] = []
        self.plan: dict[str, Range] = {}
        self.preamble = Range(start=0, end=0)
        contents = (file.content for file in trajectory.repository.files)
        self._suffix = fence_suffix((*contents, *shown(trajectory)))

    def add(self, number: int) -> None:
        """Write the step ``number``; those before it stand already."""
        steps, suffix, out = self.trajectory.steps, self._suffix, self.out
        step = steps[number]
        match step.kind:
            case "requirement":
                self.preamble = self._block("requirement", number, step)
            case "plan":
                if steps[number - 1].kind != "plan" or number == 0:
                    out.add(f"<plan{suffix}>\n", step.role, number)
                self.plan[step.path] = out.add(step.text, step.role, number, content=True)
                if number + 1 == len(steps) or steps[number + 1].kind != "plan":
                    out.add(f"</plan{suffix}>\n", step.role, number)
            case "delegate":
                start = out.add(f"<{_tag('implement' + suffix, step.path)}>\n", step.role, number)["start"]
                self.segments.append(Segment(start=start, end=start, path=step.path, plan=[]))
            case "spec":
                self._block("spec", number, step)
            case "need" | "design" | "debug" if step.text:
                self._block("think", number, step)
            case "read":
                out.add(f"<{_tag('read' + suffix, step.path)} />\n", step.role, number)
            case "observation":
                out.add(f"<{_tag('observation' + suffix, step.path)}>\n", step.role, number)
                content = self.trajectory.repository.file(step.path).content
                out.add(content, step.role, number, content=True)
                out.add(f"{gap(content)}</observation{suffix}>\n", step.role, number)
            case "draft":
                out.add(f"<{_tag('draft' + suffix, step.path)}>\n", step.role, number)
                out.add(step.text, step.role, number, content=True)
                out.add(f"</draft{suffix}>\n", step.role, number)
            case "check":
                self._block("observation", number, step)
            case "write":
                file = self.trajectory.repository.file(step.path)
                out.add(f"<{_tag('write' + suffix, step.path)}>\n", "call", number)
                for text, role in code_pieces(file):
                    out.add(text, role, number, content=True)
                out.add(f"{gap(file.content)}</write{suffix}>\n", "call", number)
            case "finish":
                end = out.add(f"</implement{suffix}>\n", step.role, number)["end"]
                self.segments[-1]["end"] = end

    def _block(self, name: str, number: int, step: Step) -> Range:
        start = self.out.add(f"<{name}{self._suffix}>\n", step.role, number)["start"]
        self.out.add(step.text, step.role, number, content=True)
        return Range(start=start, end=self.out.add(f"</{name}{self._suffix}>\n", step.role, number)["end"])


def shown(trajectory: Trajectory) -> list[str]:
    """What stands in a document beside the files, and must not hold its tags either."""
    return [step.text for step in trajectory.steps if step.kind in ("spec", "draft", "check")]


def add_plans(segments: Sequence[Segment], plan: Mapping[str, Range], steps: Sequence[Step]) -> None:
    """Give each segment the plan lines that matter for it: its own file's, then those of what it reads."""
    needed = {segment["path"]: [segment["path"]] for segment in segments}
    for step in steps:
        if step.kind == "read":
            needed[step.agent].append(step.path)
    for segment in segments:
        segment["plan"] = [plan[path] for path in dict.fromkeys(needed[segment["path"]]) if path in plan]


def render_raw(trajectory: Trajectory, loss_roles: Collection[str] = DEFAULT_LOSS_ROLES) -> Document:
    """The plain-code baseline: the writes of ``trajectory``, which must have no other steps, and no words."""
    files = {file.path: file for file in trajectory.repository.files}
    suffix = fence_suffix(tuple(file.content for file in files.values()))
    out = Writer(loss_roles)
    segments: list[Segment] = []
    for number, step in enumerate(trajectory.steps):
        start = out.add(f"<{_tag('file' + suffix, step.path)}>\n", "call", number)["start"]
        for text, role in code_pieces(files[step.path]):
            out.add(text, role, number, content=True)
        end = out.add(f"{gap(files[step.path].content)}</file{suffix}>\n", "call", number)["end"]
        segments.append(Segment(start=start, end=end, path=step.path, plan=[]))
    return out.document(segments, Range(start=0, end=0))
