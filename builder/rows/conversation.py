"""A row as a conversation: who says what, whether it is trained on, and how each thought was searched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from builder.search import CONTROLS
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
_CONTROL_TITLES = {
    "none": "No thought",
    "outline": "The outline restated",
    "other": "Another file’s thought",
    "first": "First thought",
}

# Bounds on what one page holds, in characters. What is cut is marked, with how much it was.
_MOST_TEXT, _ALL_TEXT = 60_000, 3_000_000
_MOST_OBSERVED, _ALL_OBSERVED = 4_000, 1_000_000  # the same text stands where it was written
_MOST_HISTORY, _ALL_HISTORY = 4_000, 1_500_000
_HEAD_LINES, _HEAD_OBSERVED, _HEAD_CHARS = 14, 5, 3_000


@dataclass(frozen=True)
class Piece:
    """A run of text under one role; ``marked`` names a role other than its step's."""

    text: str
    marked: str = ""


@dataclass(frozen=True)
class Body:
    """What a step says: ``head`` at once, ``rest`` on request, ``num_cut`` characters not at all."""

    head: tuple[Piece, ...] = ()
    rest: tuple[Piece, ...] = ()
    num_rest_lines: int = 0
    num_cut: int = 0


@dataclass(frozen=True)
class Candidate:
    """One text that was scored in the place of a thought; ``at`` is its NLL on a scale of 0 to 100."""

    name: str
    control: bool
    verdict: str  # control | first | accepted | rejected | standing
    reason: str
    nll: float | None
    body_nll: float | None
    overlap: float | None
    num_tokens: int | None
    gain: float | None  # best control - nll
    at: float | None
    body: Body | None


@dataclass(frozen=True)
class Round:
    """What was tried together."""

    title: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class History:
    """How a thought came to stand: controls, the first thought, then round by round."""

    rounds: tuple[Round, ...]
    score: Mapping[str, Any] | None
    best_at: float | None  # place of the best control
    num_rounds: int


@dataclass
class Message:
    """One step, or several entries of a plan."""

    number: int
    kind: str
    title: str
    speaker: str
    role: str  # of the page: a name from ``_ROLES``, or "other"
    role_name: str  # of the row
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


def fair_limit(lengths: Iterable[int], most: int, total: int) -> int:
    """The largest bound, at most ``most``, under which texts of these lengths take at most ``total``."""
    ordered = sorted(lengths)
    room = total
    for place, length in enumerate(ordered):
        share = room // (len(ordered) - place)
        if min(length, most) > share:
            return share
        room -= min(length, most)
    return most


def cut(pieces: Sequence[Piece], limit: int, head_lines: int = _HEAD_LINES) -> Body:
    """``pieces`` parted into what is shown at once, what unfolds, and what is left out beyond ``limit``."""
    text = "".join(piece.text for piece in pieces)
    kept = min(len(text), limit)
    head, line = 0, 0
    while head < kept and line < head_lines:
        head = text.find("\n", head, kept) + 1 or kept
        line += 1
    num_rest = text.count("\n", head, kept)
    if num_rest <= 3 and kept <= _HEAD_CHARS:
        head = kept
    head = min(head, _HEAD_CHARS)
    return Body(
        _between(pieces, 0, head),
        _between(pieces, head, kept),
        text.count("\n", head, kept) + (kept > head and text[kept - 1] != "\n"),
        len(text) - kept,
    )


def _between(pieces: Sequence[Piece], start: int, end: int) -> tuple[Piece, ...]:
    found, position = [], 0
    for piece in pieces:
        low, high = max(start - position, 0), min(end - position, len(piece.text))
        if low < high:
            found.append(Piece(piece.text[low:high], piece.marked))
        position += len(piece.text)
    return tuple(found)


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
    histories = _histories(row, log)
    parts: list[Part] = []
    for number, step in enumerate(steps):
        message = _message(number, step, spans[number], text, limits[observed[number]])
        message.history = histories.pop((step["path"], number), None)
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
    for (path, _), history in histories.items():
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
    if step["kind"] == "write":  # whatever most of it is, and where it is empty
        role = "code"
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
        role=role_class(role),
        role_name=role,
        loss=_loss(share),
        share=share,
        path=step["path"],
        body=cut(pieces, limit, 10**6 if prose else _HEAD_OBSERVED if _repeats(step) else _HEAD_LINES),
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


def _histories(row: Mapping[str, Any], log: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], History]:
    """By path and step of the thought; the step is -1 where the thought stands no longer."""
    steps = row["steps"]
    limit = fair_limit((len(entry["text"]) for entry in log), _MOST_HISTORY, _ALL_HISTORY)
    entries: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for entry in log:
        number = entry["step"]
        if not (
            0 <= number < len(steps) and steps[number]["path"] == entry["path"] and steps[number]["sees"]
        ):
            # The log counts the steps of the searched row; a row from before the search may have others.
            own = (n for n, step in enumerate(steps) if step["path"] == entry["path"] and _searched(step))
            number = next(own, -1)
        entries.setdefault((entry["path"], number), []).append(entry)
    scores = {(steps[score["step"]]["path"], score["step"]): score for score in row["scores"]}
    return {
        key: _history(entries.get(key, []), scores.get(key), limit)
        for key in sorted(set(entries) | set(scores))
    }


def _searched(step: Mapping[str, Any]) -> bool:
    return step["kind"] == "design"


def _history(entries: Sequence[Mapping[str, Any]], score: Mapping[str, Any] | None, limit: int) -> History:
    if not entries and score is not None:
        entries = list(_entries_of(score))
    known = [entry["nll"] for entry in entries if entry["nll"] is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    controls = [e["nll"] for e in entries if e["candidate"] in CONTROLS and e["nll"] is not None]
    best = min(controls, default=None)

    def at(nll: float | None) -> float | None:
        return None if nll is None else round(4 + 92 * (nll - low) / (high - low), 2) if high > low else 50.0

    rounds: dict[int, list[Candidate]] = {}
    for entry in entries:
        number, name, nll = entry["round"], entry["candidate"], entry["nll"]
        rounds.setdefault(number, []).append(
            Candidate(
                name=_CONTROL_TITLES.get(name)
                or (f"Candidate {int(name) + 1}" if name.isdecimal() else name),
                control=number < 0,
                verdict=_verdict(entry),
                reason=entry["reason"],
                nll=nll,
                body_nll=entry["body_nll"],
                overlap=entry["overlap"],
                num_tokens=entry["num_thought_tokens"],
                gain=None if nll is None or best is None else best - nll,
                at=at(nll),
                body=cut([Piece(entry["text"])], limit, 10**6) if entry["text"] else None,
            )
        )
    return History(
        tuple(Round(_round_title(number), tuple(rounds[number])) for number in sorted(rounds)),
        score,
        at(best),
        sum(number > 0 for number in rounds),
    )


def _verdict(entry: Mapping[str, Any]) -> str:
    if entry["round"] < 0:
        return "control"
    if entry["candidate"] == "first":
        return "first" if entry["accepted"] else "rejected"
    return "accepted" if entry["accepted"] else "rejected"


def _round_title(number: int) -> str:
    return "Controls" if number < 0 else "Start" if number == 0 else f"Round {number}"


def _entries_of(score: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """What the row itself tells of a search whose log was not built."""
    for round_number, name, suffix, reason in (
        *((-1, name, f"_{name}", "control") for name in CONTROLS),
        (0, "first", "_before", "as first written"),
        (1, "The thought that stands", "", "accepted"),
    ):
        if score[f"nll{suffix}"] is not None and (suffix or score["rounds_accepted"]):
            yield {
                "round": round_number,
                "candidate": name,
                "text": "",
                "nll": score[f"nll{suffix}"],
                "body_nll": score[f"body_nll{suffix}"],
                "overlap": None,
                "num_thought_tokens": score["num_thought_tokens"] if not suffix else None,
                "accepted": True,
                "reason": reason,
            }
