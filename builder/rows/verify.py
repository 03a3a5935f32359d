"""Whether built rows are true: what was read, written and said fits together, and fits the code itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from builder.agents import LeakageGuard, Limits, unknown_share, verify_debugging
from builder.errors import UserError
from builder.rows.features import LEFT_OUT_REASONS
from builder.rows.messages import messages_row
from builder.rows.write import CONFIGS, LEFT_OUT, built_files, read_rows
from builder.structure import Blueprint, analyze, out_of_order
from builder.trajectory import MAIN, ReplayError, Trajectory, from_row, render, render_raw

# What may follow what in a sub-agent's work, from the main agent's call to the return.
_FOLLOWING = {
    "delegate": {"spec", "need", "read", "design", "write"},
    "spec": {"need", "read", "design", "write"},
    "need": {"read", "design", "write"},
    "read": {"observation"},
    "observation": {"read", "design", "write"},
    "design": {"draft", "write"},
    "draft": {"check"},
    "check": {"debug", "write"},
    "debug": {"debug", "write"},
    "write": {"finish"},
}


def verify_dataset(folder: Path, configs: tuple[str, ...] = ()) -> dict[str, int]:
    """How many rows of each config of a built folder hold; all that there are unless ``configs`` names some.

    Raises ``UserError`` that names the first row that does not hold, and why.
    """
    built = tuple(config for config in CONFIGS if built_files(folder, config))
    # A view of other rows is held against those; without them there is nothing to hold it against.
    chosen = configs or tuple(name for name in built if name not in _VIEWS or CONFIGS[0] in built)
    if not chosen:
        raise UserError(f"{folder}: no rows in it; give a folder that `repo2agent build --output` wrote")
    counts: dict[str, int] = {}
    for config in chosen:
        counts[config] = 0
        for name, found in _CHECKS.get(config, _check_rows)(folder, config):
            for problem in found:
                raise UserError(f"{folder}: {config}, row {counts[config]} ({name}): {problem}")
            counts[config] += 1
    return counts


Checked = Iterator[tuple[str, Iterator[str]]]  # each row's name and what is wrong with it


def _check_rows(folder: Path, config: str) -> Checked:
    seen: set[str] = set()
    for row in read_rows(folder, config):
        again = ["another row has the same id"] if row["id"] in seen else []
        seen.add(row["id"])
        yield row["id"], chain(again, problems(row))


def _check_messages(folder: Path, config: str) -> Checked:
    """Conversations stand in the order of the rows that they were made from."""
    rows = read_rows(folder, CONFIGS[0])
    for conversation in read_rows(folder, config):
        messages = [json.loads(message) for message in conversation["messages"]]
        row = next(rows, None)
        holds = row is not None and messages == messages_row(row)["messages"]
        problem = f"its messages are not those of the same row of {CONFIGS[0]}"
        yield conversation["session_id"], iter([] if holds else [problem])


def _check_log(folder: Path, config: str) -> Checked:
    ids = {row["id"] for row in read_rows(folder, CONFIGS[0])}
    for entry in read_rows(folder, config):
        yield entry["id"], iter([] if entry["id"] in ids else [f"{CONFIGS[0]} has no such row"])


def _check_left_out(folder: Path, config: str) -> Checked:
    for entry in read_rows(folder, config):
        known = entry["reason"] in LEFT_OUT_REASONS
        yield entry["repository"], iter([] if known else [f"no such reason: {entry['reason']}"])


_CHECKS = {"messages": _check_messages, "search-log": _check_log, LEFT_OUT: _check_left_out}
_VIEWS = {"messages", "search-log"}


def problems(row: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a row, in words, the plainest first; nothing for one that is true.

    Checked are: spans tile the text; the writes give every file its recorded content, once; each read equals
    what had been written by then; rendering the steps gives this very text; files come after what they need;
    a sub-agent's steps come in their order, its thoughts before its file; it reads what its file needs; and,
    for rows of this version, the graph and the outlines are those of the code, a thought has the share of
    unknown names that is recorded, none that has seen the body gives it away, and the checks say of each
    draft what is observed of it.
    """
    try:
        trajectory = from_row(row)
    except ReplayError as error:
        yield str(error)
        return
    written = [step.path for step in trajectory.steps if step.kind == "write"]
    listed = sorted(file["path"] for file in row["files"])
    if sorted(written) != listed:
        yield f"the writes give {len(written)} files and the row lists {len(listed)}"
        return
    for file, known in zip(trajectory.repository.files, row["files"], strict=True):
        num = len(file.redactions)
        if num != known["num_redactions"]:
            yield f"{file.path} has {num} redactions and {known['num_redactions']} are counted"
    edges = [(edge["source"], edge["target"]) for edge in row["dependencies"]]
    if strange := {path for edge in edges for path in edge} - set(listed):
        yield f"an edge names {min(strange)}, which is no file of the row"
        return
    broken = list(_sequence_problems(trajectory, set(edges)))
    yield from broken
    if broken:  # steps that make no sense cannot be rendered
        return
    yield from _rendering_problems(row, trajectory)
    for source, target in out_of_order(written, edges)[:1]:
        yield f"{source} is written before {target}, which it needs"
    thoughts = {n for n, step in enumerate(trajectory.steps) if step.kind in ("design", "debug")}
    if not {score["step"] for score in row["scores"]} <= thoughts:
        yield "a score belongs to no thought"
    if row["version"] == version("repo2agent"):
        blueprint = analyze(trajectory.repository)
        yield from _structure_problems(row, trajectory, blueprint, written)
        yield from _hindsight_problems(trajectory, blueprint)
        yield from verify_debugging(row, blueprint)


def _rendering_problems(row: Mapping[str, Any], trajectory: Trajectory) -> Iterator[str]:
    marked: dict[str, bool] = {}
    for span in row["spans"]:
        if marked.setdefault(span["role"], span["loss"]) != span["loss"]:
            yield f"role {span['role']} carries loss in one span and none in another"
            return
    roles = {role for role, loss in marked.items() if loss}
    is_raw = all(step.kind == "write" and step.agent == MAIN for step in trajectory.steps)
    document = (render_raw if is_raw else render)(trajectory, roles)
    for name in ("text", "spans", "segments", "preamble"):
        if getattr(document, name) != row[name]:
            yield f"its steps, rendered, give another {name}"


def _hindsight_problems(trajectory: Trajectory, blueprint: Blueprint) -> Iterator[str]:
    for number, step in enumerate(trajectory.steps):
        if step.sees == "body" and step.text:
            overlap = LeakageGuard(blueprint, step.path).overlap(step.text)
            if refusal := Limits().of(step.sees).refusal(overlap):
                yield f"step {number} ({step.kind} {step.path}): has seen the body and {refusal}"


def _sequence_problems(trajectory: Trajectory, edges: set[tuple[str, str]]) -> Iterator[str]:
    before = None
    for number, step in enumerate(trajectory.steps):
        if step.kind in ("requirement", "plan") or (step.agent == MAIN and step.kind == "write"):
            continue
        where = f"step {number} ({step.kind} {step.path})"
        if step.kind == "delegate":
            if before is not None and before.kind != "finish":
                yield f"{where}: the sub-agent for {before.agent} has not come back"
        elif before is None or before.kind == "finish" or step.agent not in (before.agent, before.path):
            yield f"{where}: no sub-agent for {step.agent} is at work"
        elif step.kind not in _FOLLOWING[before.kind]:
            yield f"{where}: cannot come after {before.kind}"
        elif step.path != (before.path if step.kind == "observation" else step.agent) and step.kind != "read":
            yield f"{where}: not what {step.agent} is at work on"
        if step.kind == "read" and (step.agent, step.path) not in edges:
            yield f"{where}: {step.agent} does not need it"
        before = step
    if before is not None and before.kind != "finish":
        yield f"the sub-agent for {before.agent} has not come back at the end"


def _structure_problems(
    row: Mapping[str, Any], trajectory: Trajectory, blueprint: Blueprint, written: list[str]
) -> Iterator[str]:
    found = {(edge.source, edge.target, edge.kind) for edge in blueprint.dependencies}
    stored = {(edge["source"], edge["target"], edge["kind"]) for edge in row["dependencies"]}
    for source, target, kind in sorted(found ^ stored)[:1]:
        missing = "is not in the row" if (source, target, kind) in found else "is not in the code"
        yield f"the edge {source} -> {target} ({kind}) {missing}"
    if tuple(written) != blueprint.order:
        yield "the files are written in another order than the graph gives"
    for step in trajectory.steps:
        if step.kind == "spec" and step.text != blueprint.outline_text(step.path) + "\n":
            yield f"the specification of {step.path} is not the outline of its code"
        if step.kind in ("need", "design", "debug"):
            share = unknown_share(step.text, step.path, blueprint)
            if abs(step.unknown_names - share) > 1e-6:  # rows hold it as float32
                yield f"the share of unknown names in a thought on {step.path} is {share:.3f}"
