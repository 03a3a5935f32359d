"""How each thought was found: its controls, its candidates, their scores and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.rows.page.cutting import Body, Piece, cut, fair_limit
from builder.search import CONTROLS

_CONTROL_TITLES = {
    "none": "No thought",
    "outline": "The outline restated",
    "other": "Another file’s thought",
    "first": "First thought",
}
_MOST_TEXT, _ALL_TEXT = 4_000, 1_500_000  # characters of one candidate and of all on a page


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


def histories(row: Mapping[str, Any], log: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], History]:
    """By path and step of the thought; the step is -1 where the thought stands no longer."""
    steps = row["steps"]
    limit = fair_limit((len(entry["text"]) for entry in log), _MOST_TEXT, _ALL_TEXT)
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
    return step["kind"] in ("design", "debug")


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
