"""Debugging: a sub-agent drafts its file, real checks look at the draft, and it thinks about what they find.

It stands on a trajectory that is finished otherwise, so that the thought a draft is written from is the one
that the reader sees. Drafts of different files do not wait for each other. What passes leaves no trace.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from builder.agents.checks import UNFINISHED, Checker, Defect, observation
from builder.agents.prompts import excerpt, prompt_hash
from builder.agents.simulation import Team
from builder.structure import Blueprint
from builder.trajectory import Step, Trajectory, clean, printable, step_texts

MAX_DEBUG_THOUGHTS = 3  # a file
_THOUGHT_TOKENS = 120
_MAX_DRAFT_CHARS = 20_000
_EXCERPT_LINES = 12
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_LINE = re.compile(r"line (\d+)")


@dataclass
class Debugged:
    """A trajectory with its debugging; ``notes`` are the calls for it that failed.

    ``values`` has, by path and defect, what the prompt for a debug thought was filled with.
    """

    trajectory: Trajectory
    values: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


async def debug(team: Team, trajectory: Trajectory) -> Debugged:
    """Let each sub-agent of ``trajectory`` that has thought about its file draft and debug it."""
    team = team.with_own_notes()
    checker = Checker(team.blueprint)
    result = Debugged(trajectory, notes=team.notes)
    designs = [step for step in trajectory.steps if step.kind == "design" and step.text]
    found = await asyncio.gather(*(_debug(team, checker, step, result) for step in designs))
    before_write = {step.path: steps for step, steps in zip(designs, found, strict=True)}
    steps: list[Step] = []
    for step in trajectory.steps:
        if step.kind == "write":
            steps += before_write.get(step.path, [])
        steps.append(step)
    result.trajectory = replace(trajectory, steps=tuple(steps))
    return result


def num_debug_calls(trajectory: Trajectory) -> int:
    """How many calls ``debug`` makes at most."""
    return sum(step.kind == "design" for step in trajectory.steps) * (1 + MAX_DEBUG_THOUGHTS)


def unfenced(answer: str) -> tuple[str, bool]:
    """The code in a model's answer, ending with a newline, and whether it is known to be whole.

    A generation does not say that it reached its limit, but only one that came to its end closes its fence.
    Of several blocks the first counts; a block within it, in a docstring, has its own opening and closing.
    """
    lines = printable(answer[: 2 * _MAX_DRAFT_CHARS])[:_MAX_DRAFT_CHARS].split("\n")
    first = next((number for number, line in enumerate(lines) if _FENCE.match(line)), None)
    if first is None:
        return _ended(lines), False
    code: list[str] = []
    depth = 1
    for line in lines[first + 1 :]:
        if match := _FENCE.match(line):
            depth += 1 if match[2] else -1
            if not depth:
                return _ended(code), True
        code.append(line)
    return _ended(code), False


def verify_debugging(row: Mapping[str, Any], blueprint: Blueprint) -> list[str]:
    """What is untrue in the debugging of ``row``, a line each; ``blueprint`` is that of its repository.

    The checks, run again, give each observation as it stands; each defect that is thought about is one of
    them; and a thought has the role ``think`` just where the real file is free of the defect.
    """
    checker = Checker(blueprint)
    texts = step_texts(row["text"], row["spans"], len(row["steps"]))
    roles: dict[int, set[str]] = {}
    for span in row["spans"]:
        roles.setdefault(span["step"], set()).add(span["role"])
    wrong: list[str] = []
    draft, defects = "", set[str]()
    for number, step in enumerate(row["steps"]):
        path, kind = step["path"], step["kind"]
        where = f"step {number} ({kind} {path})"
        if kind == "draft":
            draft = texts[number]
            defects = set()
        elif kind == "check":
            whole = not texts[number].endswith(f"\n{UNFINISHED}\n")
            found = checker.check(draft, path, whole)
            defects = {defect.key for defect in found}
            if not found or texts[number] != observation(found, whole):
                wrong.append(f"{where}: not what the checks say of the draft")
        elif kind == "debug":
            if step["defect"] not in defects:
                wrong.append(f"{where}: the draft has no defect {step['defect']}")
            role = "think" if checker.is_resolved(step["defect"], path) else "unresolved"
            if roles.get(number) != {role}:
                wrong.append(f"{where}: its role is {role}, by the file that is written")
    return wrong


async def _debug(team: Team, checker: Checker, design: Step, result: Debugged) -> list[Step]:
    """The steps between the design thought of a file and its write; none where there is nothing to see."""
    path = design.path
    values = team.file_values(path)
    # All of its contract is looked for, so as much of it as may be is shown.
    outline = excerpt(team.blueprint.outline_text(path), team.options.max_prompt_chars)
    shown = {**values, "outline": outline, "thought": design.text}
    answer = await team.generate("draft", shown, team.options.max_draft_tokens)
    draft, whole = unfenced(answer)
    if not whole:
        draft = checker.unfinished(draft, path)
    defects = checker.check(draft, path, whole) if draft.strip() else ()
    if not defects:
        return []
    chosen = defects[:MAX_DEBUG_THOUGHTS]
    for defect in chosen:
        shown = {**values, "excerpt": _excerpt(draft, defect), "defect": defect.sentence}
        result.values[path, defect.key] = shown
    thoughts = await asyncio.gather(
        *(_thought(team, checker, result.values[path, defect.key], defect) for defect in chosen)
    )
    return [
        Step(path, "draft", path, draft, prompt=prompt_hash("draft")),
        Step(path, "check", path, observation(defects, whole)),
        *(thought for thought in thoughts if thought.text),
    ]


async def _thought(team: Team, checker: Checker, values: Mapping[str, str], defect: Defect) -> Step:
    path = values["path"]
    answer = await team.ask("debug", values, _THOUGHT_TOKENS, variant=defect.key)
    return team.grounded(
        Step(
            path,
            "debug",
            path,
            clean(answer),
            sees="outline",
            prompt=prompt_hash("debug"),
            defect=defect.key,
            resolved=checker.is_resolved(defect.key, path),
        )
    )


def _excerpt(draft: str, defect: Defect) -> str:
    """The lines of the draft around the defect: where it is, or where its last name first stands."""
    lines = draft.split("\n")
    if match := _LINE.fullmatch(defect.name):
        place = int(match[1]) - 1
    else:
        word = re.split(r"[.:/]", defect.name)[-1]
        place = next((number for number, line in enumerate(lines) if word and word in line), 0)
    start = max(0, min(place - _EXCERPT_LINES // 2, len(lines) - _EXCERPT_LINES))
    return "\n".join(line[:200] for line in lines[start : start + _EXCERPT_LINES])


def _ended(lines: Sequence[str]) -> str:
    text = "\n".join(lines).strip("\n")
    return f"{text}\n" if text.strip() else ""
