"""Thoughts of built rows, scored again: by a model that took no part, or with the whole document in front."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from builder.llm import ModelError
from builder.report.evidence import SEARCHED, Thought
from builder.search import CONTROLS, Scorer, SearchOptions, Target, choose_target
from builder.structure import Blueprint, analyze
from builder.trajectory import Trajectory, from_row


def sample_of(rows: Iterable[Mapping[str, Any]], most: int) -> list[tuple[str, int]]:
    """At most ``most`` thoughts as (id, step), by the hash of their names: the same ones each time."""
    found = [
        (row["id"], score["step"], row["steps"][score["step"]]["path"])
        for row in rows
        for score in row["scores"]
    ]
    found.sort(key=lambda thought: hashlib.sha256(f"{thought[0]} {thought[2]}".encode()).digest())
    return [(name, step) for name, step, _ in found[:most]]


async def rescore(
    rows: Sequence[Mapping[str, Any]],
    log: Sequence[Mapping[str, Any]],
    scorer: Scorer,
    options: SearchOptions,
    chosen: Sequence[tuple[str, int]],
    walked: Sequence[Mapping[str, Any]] = (),
    on_thought: Callable[[], object] = lambda: None,
) -> list[Thought]:
    """The ``chosen`` thoughts of ``rows`` as ``scorer`` sees them, in the place where they stand in the row.

    Controls and first thoughts are those of the ``log``; ``walked`` are the rows of ``repo2agent-random``.
    A thought that cannot be scored is left out. ``on_thought`` is told after each, for progress.
    """
    by_id = {row["id"]: row for row in rows}
    random_rows = {row["id"]: row for row in walked}
    texts = {
        (entry["id"], entry["path"], entry["candidate"]): entry["text"]
        for entry in log
        if entry.get("config", SEARCHED) == SEARCHED and entry["round"] <= 0
    }
    found = []
    for name in dict.fromkeys(name for name, _ in chosen):
        trajectory = from_row(by_id[name])
        blueprint = analyze(trajectory.repository)
        other = from_row(random_rows[name]) if name in random_rows else None
        for step in [step for owner, step in chosen if owner == name]:
            path = trajectory.steps[step].path
            variants = {"searched": trajectory}
            for candidate in (*CONTROLS, "first"):
                if (text := texts.get((name, path, candidate))) is not None:
                    variants[candidate] = _with(trajectory, step, text)
            if other is not None:
                variants["random"] = other
            thought = await _scored(name, path, variants, blueprint, scorer, options)
            found += [thought] if thought else []
            on_thought()
    return found


async def _scored(
    name: str,
    path: str,
    variants: Mapping[str, Trajectory],
    blueprint: Blueprint,
    scorer: Scorer,
    options: SearchOptions,
) -> Thought | None:
    target: Target | None = choose_target(
        blueprint, path, scorer.model.tokenizer, options.window_tokens, options.num_windows
    )
    if target is None:
        return None
    try:
        scores = {
            variant: await scorer.score(trajectory, path, target) for variant, trajectory in variants.items()
        }
    except ModelError:
        return None
    return Thought(
        repository=name,
        path=path,
        num_tokens=len(target.scored),
        num_body_tokens=len(target.body),
        nll={variant: score.nll for variant, score in scores.items()},
        body_nll={v: score.body_nll for v, score in scores.items() if score.body_nll is not None},
    )


def _with(trajectory: Trajectory, number: int, text: str) -> Trajectory:
    step = replace(trajectory.steps[number], text=text)
    return replace(trajectory, steps=(*trajectory.steps[:number], step, *trajectory.steps[number + 1 :]))
