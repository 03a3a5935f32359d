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
    files = {file.path: file for file in trajectory.repository.files}
    steps = trajectory.steps
    shown = [step.text for step in steps if step.kind in ("spec", "draft", "check")]
    suffix = fence_suffix((*(file.content for file in files.values()), *shown))
    out = Writer(loss_roles)
    preamble = Range(start=0, end=0)
    plan: dict[str, Range] = {}
    segments: list[Segment] = []

    def block(name: str, number: int, step: Step, role: str) -> Range:
        start = out.add(f"<{name}{suffix}>\n", role, number)["start"]
        out.add(step.text, role, number, content=True)
        return Range(start=start, end=out.add(f"</{name}{suffix}>\n", role, number)["end"])

    for number, step in enumerate(steps):
        match step.kind:
            case "requirement":
                preamble = block("requirement", number, step, step.role)
            case "plan":
                if steps[number - 1].kind != "plan" or number == 0:
                    out.add(f"<plan{suffix}>\n", step.role, number)
                plan[step.path] = out.add(step.text, step.role, number, content=True)
                if number + 1 == len(steps) or steps[number + 1].kind != "plan":
                    out.add(f"</plan{suffix}>\n", step.role, number)
            case "delegate":
                start = out.add(f"<{_tag('implement' + suffix, step.path)}>\n", step.role, number)["start"]
                segments.append(Segment(start=start, end=start, path=step.path, plan=[]))
            case "spec":
                block("spec", number, step, step.role)
            case "need" | "design" | "debug" if step.text:
                block("think", number, step, step.role)
            case "read":
                out.add(f"<{_tag('read' + suffix, step.path)} />\n", step.role, number)
            case "observation":
                out.add(f"<{_tag('observation' + suffix, step.path)}>\n", step.role, number)
                content = files[step.path].content
                out.add(content, step.role, number, content=True)
                out.add(f"{gap(content)}</observation{suffix}>\n", step.role, number)
            case "draft":
                out.add(f"<{_tag('draft' + suffix, step.path)}>\n", step.role, number)
                out.add(step.text, step.role, number, content=True)
                out.add(f"</draft{suffix}>\n", step.role, number)
            case "check":
                block("observation", number, step, step.role)
            case "write":
                out.add(f"<{_tag('write' + suffix, step.path)}>\n", "call", number)
                for text, role in code_pieces(files[step.path]):
                    out.add(text, role, number, content=True)
                out.add(f"{gap(files[step.path].content)}</write{suffix}>\n", "call", number)
            case "finish":
                segments[-1]["end"] = out.add(f"</implement{suffix}>\n", step.role, number)["end"]

    add_plans(segments, plan, steps)
    return out.document(segments, preamble)


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
