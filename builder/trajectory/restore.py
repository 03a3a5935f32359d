"""From a row back to the trajectory that it was rendered from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from builder.repository import Repository, SkippedFile, SourceFile
from builder.trajectory.replay import ReplayError, replay, step_texts
from builder.trajectory.steps import FILE_KINDS, ROLES, Step, Trajectory


def from_row(row: Mapping[str, Any]) -> Trajectory:
    """The trajectory of ``row``, with its repository as the writes leave it.

    Rendering it again gives the row's text and spans. Raises ``ReplayError`` where the row contradicts
    itself.
    """
    contents = replay(row)
    if unknown := {step["kind"] for step in row["steps"]} - ROLES.keys():
        raise ReplayError(f"{row['id']}: there is no step of kind {min(unknown)}")
    texts = step_texts(row["text"], row["spans"], len(row["steps"]))
    unresolved = {span["step"] for span in row["spans"] if span["role"] == "unresolved"}
    steps = tuple(
        Step(
            agent=step["agent"],
            kind=step["kind"],
            path=step["path"],
            text="" if step["kind"] in FILE_KINDS else text,
            sees=step["sees"],
            prompt=step["prompt"],
            unknown_names=step["unknown_names"],
            defect=step.get("defect") or "",
            resolved=number not in unresolved,
        )
        for number, (step, text) in enumerate(zip(row["steps"], texts, strict=True))
    )
    redactions = _redactions(row)
    files = tuple(
        SourceFile(
            path=file["path"],
            content=contents[file["path"]],
            encoding=file["encoding"],
            num_bytes=file["num_bytes"],
            original_sha256=file["original_sha256"],
            redactions=redactions[file["path"]],
            boilerplate=file["boilerplate"],
            license=file["license"],
            attribution=tuple(file.get("attribution") or ()),
        )
        for file in row["files"]
        if file["path"] in contents
    )
    skipped = tuple(SkippedFile(file["path"], file["reason"]) for file in row["skipped"])
    return Trajectory(Repository(row["repository"], row["revision"], row["license"], files, skipped), steps)


def _redactions(row: Mapping[str, Any]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Where placeholders stand in each file, in characters of its content."""
    found: dict[str, tuple[tuple[int, int], ...]] = defaultdict(tuple)
    position: dict[str, int] = defaultdict(int)
    for span in row["spans"]:
        step = row["steps"][span["step"]]
        if step["kind"] == "write" and span["content"]:
            path, start = step["path"], position[step["path"]]
            position[path] = end = start + span["end"] - span["start"]
            if span["role"] == "redacted":
                found[path] += ((start, end),)
    return found
