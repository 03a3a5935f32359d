"""Experiments whose truth is known: results drawn at random around effects that a test plants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

ARMS = {
    "base": "the untrained model",
    "general": "general text only",
    "raw-repos": "the same repositories as plain code",
    "spec-only": "structure without thoughts",
    "repo2agent": "trajectories before the search",
    "repo2agent-random": "as many rewrites, accepted at random",
    "repo2agent-search": "searched trajectories",
    "repo2agent-search-debug": "searched trajectories with debugging",
}
TOTAL = 1_000_000
FIRST = "reconstruction/dependencies"


def plant(
    effects: Mapping[str, float],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    num_repositories: int = 24,
    conclusive: bool = True,
    totals: Mapping[str, int] | None = None,
    chance: int = 0,
    between_seeds: float = 0.002,
    between_repositories: float = 0.008,
) -> dict[str, Any]:
    """An experiment in which each arm's NLL lies ``effects[arm]`` from the untrained model's.

    An arm's values vary with the seed, the repository and the file; all the rest is of a likely shape.
    """
    draw = np.random.default_rng(chance)
    files = [(f"r{r}/f{f}.py", f"r{r}") for r in range(num_repositories) for f in range(draw.integers(1, 5))]
    weights = draw.integers(50, 800, size=len(files))
    hardness = draw.normal(1.6, 0.3, size=len(files))
    solved = draw.random(40)

    def run(arm: str, seed: int, liking: Mapping[str, float]) -> dict[str, Any]:
        trained = arm != "base"
        shift = effects[arm] + (draw.normal(0, between_seeds) if trained else 0.0)
        values = [
            hard + shift + liking[repository] + draw.normal(0, 0.004)
            for hard, (_, repository) in zip(hardness, files, strict=True)
        ]
        total = (totals or {}).get(arm, TOTAL) if trained else 0
        at = [total * step // 4 for step in range(5)]
        nll = float(np.average(values, weights=weights))
        begin = float(np.average(hardness, weights=weights))
        roles = {"general": ["other"], "raw-repos": ["code"], "spec-only": ["code", "call"]}.get(
            arm, ["think", "call", "code", "plan"]
        )
        log = [
            {
                "tokens": total * step // 100,
                "loss": 2.0,
                "losses": {
                    role: 1.2 + n / 3 + float(np.exp(-step / 30)) + draw.normal(0, 0.03)
                    for n, role in enumerate(roles)
                },
            }
            for step in range(1, 101)
        ]
        measures = [
            measured(
                FIRST,
                "Held-out code given its dependencies",
                "nats per token",
                "lower",
                items(files, values, weights),
            ),
            measured(
                "reconstruction/nothing",
                "Held-out code given nothing",
                "nats per token",
                "lower",
                items(files, [value + 0.3 for value in values], weights),
            ),
            measured(
                "humaneval/pass@1",
                "HumanEval",
                "pass@1",
                "higher",
                items(
                    [(f"HumanEval/{n}", f"HumanEval/{n}") for n in range(40)],
                    [float(level < 0.3 - 5 * effects[arm]) for level in solved],
                    np.ones(40, int),
                ),
                {"harness": "repo2agent", "task": "humaneval", "version": "1", "num_fewshot": 0},
                {"prolong": 0.1646, "raw-repos": 0.3476, "repo2agent": 0.3659, "repo2agent-search": 0.3720},
            ),
        ]
        return {
            "seed": seed,
            "tokens": {
                "total": total,
                "trained": int(total * 0.7) if trained else 0,
                "unique_code": int(total * (1.0 if arm == "raw-repos" else 0.4)) if trained else 0,
            },
            "steps": 100 if trained else 0,
            "epochs": 1.5 if trained else 0.0,
            "log": log if trained else [],
            "curve": [
                {"tokens": x, "value": begin + (nll - begin) * x / total + (0.01 if 0 < x < total else 0)}
                for x in at
            ]
            if trained
            else [],
            "results": {
                "version": 1,
                "model": {"name": arm, "revision": None, "num_parameters": 134_515_008},
                "environment": {
                    "torch": "2.13.0",
                    "transformers": "5.23.0",
                    "device": "cpu",
                    "dtype": "float32",
                },
                "suite": {"name": "offline", "seed": 0},
                "measures": measures,
                "skipped": [{"name": "bbh", "reason": "needs the Hub"}],
            },
        }

    arms = []
    for arm in effects:
        trained = arm != "base"
        liking = {
            repository: draw.normal(0, between_repositories) if trained else 0.0
            for repository in dict.fromkeys(repository for _, repository in files)
        }
        lengths = np.exp(
            draw.normal(8.4 + (0.9 if "agent" in arm else 0), 0.7, size=120 if trained else 0)
        ).astype(int)
        arms.append(
            {
                "name": arm,
                "title": ARMS.get(arm, arm),
                "trained": trained,
                "data": {
                    "documents": len(lengths),
                    "lengths": lengths.tolist(),
                    "tokens": int(lengths.sum()),
                    "trained_tokens": int(lengths.sum() * 0.7),
                    "unique_code_tokens": 400_000,
                },
                "runs": [run(arm, seed, liking) for seed in (seeds if trained else seeds[:1])],
            }
        )
    return {
        "version": 1,
        "name": "gpu" if conclusive else "tiny",
        "shows": "Differences of 0.01 nats per token at 135M parameters; nothing about larger models.",
        "conclusive": conclusive,
        "commit": "67845c3",
        "hardware": "NVIDIA H200",
        "model": "SmolLM2-135M-Instruct",
        "seeds": list(seeds),
        "seconds": {"build": 480.0, "train": 700.5, "evaluate": 250.0},
        "corpus": {
            "train": {"repositories": 120, "files": 1400, "raw_tokens": 2_000_000},
            "held_out": {"repositories": num_repositories, "files": len(files), "raw_tokens": 200_000},
            "near_duplicate_files_dropped": 3,
        },
        "arms": arms,
        "search": {
            "rounds": [{"round": n, "nll": 1.49 - 0.02 * n + 0.003 * n * n} for n in range(4)],
            "random": [{"round": n, "nll": 1.49 - 0.004 * n} for n in range(4)],
            "controls": {"none": 1.50, "outline": 1.455, "other": 1.51},
        },
        "skipped": [{"stage": "external", "reason": "HELMET needs a download"}],
    }


def items(files: Sequence[tuple[str, str]], values: Sequence[float], weights: Any) -> list[dict[str, Any]]:
    return [
        {"id": name, "group": group, "value": float(value), "weight": float(weight)}
        for (name, group), value, weight in zip(files, values, weights, strict=True)
    ]


def measured(
    name: str,
    title: str,
    unit: str,
    better: str,
    found: list[dict[str, Any]],
    source: dict[str, Any] | None = None,
    reference: dict[str, float] | None = None,
) -> dict[str, Any]:
    values = np.array([item["value"] for item in found])
    weights = np.array([item["weight"] for item in found])
    value = float(np.average(values, weights=weights))
    error = float(values.std() / np.sqrt(len(found)))
    return {
        "name": name,
        "title": title,
        "unit": unit,
        "better": better,
        "value": value,
        "interval": [value - 2 * error, value + 2 * error],
        "num_items": len(found),
        "source": source or {"harness": "repo2agent", "task": name, "version": "1"},
        "reference": reference,
        "items": found,
    }


@pytest.fixture(scope="session")
def planted():
    """``planted(effects, …)``: see ``plant``."""
    return plant
