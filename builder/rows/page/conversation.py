"""A row as a conversation: who says what, and whether it is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from builder.rows.page.cutting import HEAD_LINES, Body, Piece, cut, fair_limit
from builder.rows.page.history import History, histories
from builder.trajectory import MAIN

# What a person calls the steps. A kind that is not here goes by its own name.
_TITLES = {
    "requirement": "Requirement",
    "plan": "Plan",
    "delegate": "Call: implement",
    "spec": "Specification",
    "need": "Thought: what to read",
    "read": "Call: read",
    "observation": "Observation",
    "design": "Thought: design",
    "draft": "Draft",
    "check": "Check",
    "debug": "Thought: debugging",
    "write": "Code: write",
    "finish": "Call: done",
}
_ROLES = ("requirement", "plan", "call", "spec", "think", "observation", "code", "draft")
_PROSE = ("requirement", "plan", "think")

# Bounds on what one page holds, in characters. What is cut is marked, with how much it was.
_MOST_TEXT, _ALL_TEXT = 60_000, 3_000_000
_MOST_OBSERVED, _ALL_OBSERVED = 4_000, 1_000_000  # the same text stands where it was written
_OBSERVED_LINES = 5


@dataclass
class Message:
    """One step, or several entries of a plan."""

    number: int
    kind: str
    title: str
    speaker: str
    role: str  # of the page: a name from ``_ROLES``, or "other"
    role_name: str  # of the row, under which most of its text stands
    loss: str  # trained | part | none
    share: float  # of its characters that carries loss
    path: str
    body: Body
    before: str  # the tags around it
    after: str
    prose: bool
    sees: str = ""
    unknown_names: float | None = None
    history: History | None = None
    entries: list[Message] = field(default_factory=list)


@dataclass
class Part:
    """What one agent says in a row. ``path`` is empty for the main agent."""

    number: int
    path: str
    messages: list[Message] = field(default_factory=list)
    removed: list[History] = field(default_factory=list)  # of thoughts that were taken out
    gain: float | None = None


def conversation(row: Mapping[str, Any], log: Sequence[Mapping[str, Any]] = ()) -> list[Part]:
    """The steps of ``row`` in order, part by part; ``log`` holds the rows of ``search-log`` with its id."""
    steps, text = row["steps"], row["text"]
    spans: list[list[Mapping[str, Any]]] = [[] for _ in steps]
    for span in row["spans"]:
        spans[span["step"]].append(span)
    lengths = [sum(s["end"] - s["start"] for s in own if s["content"]) for own in spans]
    observed = [_repeats(step) for step in steps]
    limits = {
        seen: fair_limit((n for n, o in zip(lengths, observed, strict=True) if o == seen), *bounds)
        for seen, bounds in ((True, (_MOST_OBSERVED, _ALL_OBSERVED)), (False, (_MOST_TEXT, _ALL_TEXT)))
    }
    found = histories(row, log)
    parts: list[Part] = []
    for number, step in enumerate(steps):
        message = _message(number, step, spans[number], text, limits[observed[number]])
        message.history = found.pop((step["path"], number), None)
        path = step["path"] if step["kind"] == "delegate" else "" if step["agent"] == MAIN else step["agent"]
        if not parts or parts[-1].path != path or step["kind"] == "delegate":
            parts.append(Part(len(parts), path))
        messages = parts[-1].messages
        if messages and step["kind"] == "plan" and step["path"] and messages[-1].entries:
            messages[-1].entries.append(message)
            continue
        if step["kind"] == "plan" and step["path"]:
            message = _plan_of(message)
        messages.append(message)
    by_path = {part.path: part for part in parts if part.path}
    for (path, _), history in found.items():
        if path in by_path:
            by_path[path].removed.append(history)
    for part in parts:
        gains = [m.history.score["gain"] for m in part.messages if m.history and m.history.score]
        part.gain = next((gain for gain in gains if gain is not None), None)
        for message in part.messages:
            if message.entries:
                message.share = sum(e.share for e in message.entries) / len(message.entries)
                message.loss = _loss(message.share)
    return parts


def role_class(role: str) -> str:
    """The name under which the page's style knows ``role``."""
    return role if role in _ROLES else "other"


def _repeats(step: Mapping[str, Any]) -> bool:
    """Whether a step shows a file that stands elsewhere in the row."""
    return step["kind"] == "observation"


def _plan_of(entry: Message) -> Message:
    """What holds the entries of a plan, of which ``entry`` is the first."""
    return replace(
        entry, title="Plan: file by file", path="", body=Body(), before="", after="", entries=[entry]
    )


def _message(
    number: int, step: Mapping[str, Any], spans: Sequence[Mapping[str, Any]], text: str, limit: int
) -> Message:
    content = [span for span in spans if span["content"]]
    counted = content or spans
    role = max(counted, key=lambda span: span["end"] - span["start"])["role"] if counted else ""
    if step["kind"] == "write" and not content:
        role = "code"  # an empty file
    first = content[0]["start"] if content else None
    before = [s for s in spans if not s["content"] and (first is None or s["start"] < first)]
    pieces = [
        Piece(text[span["start"] : span["end"]], span["role"] if span["role"] != role else "")
        for span in content
    ]
    total = sum(span["end"] - span["start"] for span in counted)
    share = sum(span["end"] - span["start"] for span in counted if span["loss"]) / total if total else 0.0
    prose = role in _PROSE
    return Message(
        number=number,
        kind=step["kind"],
        title=_TITLES.get(step["kind"], step["kind"].replace("_", " ").capitalize()),
        speaker=_speaker(step, role),
        role="code" if step["kind"] == "write" else role_class(role),
        role_name=role,
        loss=_loss(share),
        share=share,
        path=step["path"],
        body=cut(pieces, limit, 10**6 if prose else _OBSERVED_LINES if _repeats(step) else HEAD_LINES),
        before="".join(text[s["start"] : s["end"]] for s in before),
        after="".join(text[s["start"] : s["end"]] for s in spans[len(before) :] if not s["content"]),
        prose=prose,
        sees=step["sees"],
        unknown_names=step["unknown_names"] if role == "think" else None,
    )


def _loss(share: float) -> str:
    return "trained" if share == 1 else "none" if share == 0 else "part"


def _speaker(step: Mapping[str, Any], role: str) -> str:
    if role == "observation":
        return "Environment"
    return "Main agent" if step["agent"] == MAIN or role == "spec" else "Sub-agent"
