"""Figures over built rows: what the demo, the card and the reports print."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

NLL_COLUMNS = ("nll_none", "nll_outline", "nll_other", "nll_before", "nll")

# What each of the two reads of a row, for those who read no more than is needed.
STATISTICS_COLUMNS = (
    *("license", "generator", "scorer", "prompts", "seed", "version"),
    *("num_raw_tokens", "num_tokens", "num_loss_tokens", "skipped.reason"),
    *("files.language", "files.license", "files.num_bytes", "files.num_redactions", "files.redactions"),
    *(f"scores.{name}" for name in (*NLL_COLUMNS, "num_target_tokens", "rounds_accepted")),
)
DEBUGGING_COLUMNS = ("spans.role", "spans.step", "steps.kind", "steps.defect")


def statistics(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts, token totals, and NLLs (nats per code token, weighted by scored tokens) over ``rows``.

    An NLL is None where no thought has it (a lone thought has no other to be compared with). The others are
    over the thoughts that have all of them, so that they can be compared. Rows are seen once and not kept.
    """
    numbers: Counter[str] = Counter()
    names: dict[str, Counter[str]] = defaultdict(Counter)
    made: dict[str, set[Any]] = defaultdict(set)
    scores = _Scores()
    for row in rows:
        numbers["repositories"] += 1
        numbers["skipped"] += len(row["skipped"])
        for column in ("num_raw_tokens", "num_tokens", "num_loss_tokens"):
            numbers[column] += row[column]
        for file in row["files"]:
            language = file["language"] or "other"
            numbers["files"] += 1
            numbers["redactions"] += file["num_redactions"]
            names["languages"][language] += 1
            names["bytes"][language] += file["num_bytes"]
            names["file_licenses"][file["license"] or "unknown"] += 1
            for entry in file["redactions"]:
                names["redactions"][entry["kind"]] += entry["num"]
        names["licenses"][row["license"] or "unknown"] += 1
        names["skipped"].update(reason_class(file["reason"]) for file in row["skipped"])
        for column in ("generator", "scorer", "prompts", "version"):
            made[column] |= {row[column]} - {""}
        made["seed"].add(row["seed"])
        for score in row["scores"]:
            scores.add(score)
    raw, tokens = numbers["num_raw_tokens"], numbers["num_tokens"]
    return {
        "num_repositories": numbers["repositories"],
        "num_files": numbers["files"],
        "num_skipped": numbers["skipped"],
        "num_redactions": numbers["redactions"],
        "redactions": dict(sorted(names["redactions"].items())),
        "num_raw_tokens": raw,
        "num_tokens": tokens,
        "num_loss_tokens": numbers["num_loss_tokens"],
        "token_ratio": tokens / raw if raw else None,
        **scores.figures(),
        "languages": dict(names["languages"].most_common()),
        "language_bytes": dict(names["bytes"].most_common()),
        "licenses": dict(names["licenses"].most_common()),
        "file_licenses": dict(names["file_licenses"].most_common()),
        "skipped": dict(names["skipped"].most_common()),
        "generators": sorted(made["generator"]),
        "scorers": sorted(made["scorer"]),
        "prompts": sorted(made["prompts"]),
        "seeds": sorted(made["seed"]),
        "versions": sorted(made["version"]),
    }


def reason_class(reason: str) -> str:
    """Why something was left out, without the case: ``benchmark HumanEval/12`` counts as ``benchmark``."""
    return "benchmark" if reason.startswith("benchmark") else reason


class _Scores:
    """NLLs summed apart for each set of columns that thoughts have: the whole tells which set is compared."""

    def __init__(self) -> None:
        self.num_thoughts = self.num_rewritten = 0
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._weights: Counter[tuple[str, ...]] = Counter()
        self._sums: dict[tuple[str, ...], dict[str, float]] = {}

    def add(self, score: Mapping[str, Any]) -> None:
        """Count one thought."""
        present = tuple(column for column in NLL_COLUMNS if score[column] is not None)
        weight = score["num_target_tokens"]
        self.num_thoughts += 1
        self.num_rewritten += score["rounds_accepted"] > 0
        self._counts[present] += 1
        self._weights[present] += weight
        sums = self._sums.setdefault(present, dict.fromkeys(present, 0.0))
        for column in present:
            sums[column] += score[column] * weight

    def figures(self) -> dict[str, Any]:
        """Counts, and the weighted mean of each column."""
        seen = {column for present in self._counts for column in present}
        present = tuple(column for column in NLL_COLUMNS if column in seen)
        sums, weight = self._sums.get(present, {}), self._weights[present]
        return {
            "num_thoughts": self.num_thoughts,
            "num_rewritten": self.num_rewritten,
            "num_compared": self._counts[present],
            **{
                column: sums[column] / weight if weight and column in sums else None for column in NLL_COLUMNS
            },
        }


def debugging(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts over rows with debugging: drafts in which checks found something, defects thought about by kind.

    ``resolved`` is the share of those that the real file is free of, None where there are none. Rows are seen
    once and not kept.
    """
    num_drafts = num_resolved = 0
    kinds: Counter[str] = Counter()
    for row in rows:
        unresolved = {span["step"] for span in row["spans"] if span["role"] == "unresolved"}
        for number, step in enumerate(row["steps"]):
            num_drafts += step["kind"] == "draft"
            if step["kind"] == "debug":
                kinds[step["defect"].partition(":")[0]] += 1
                num_resolved += number not in unresolved
    total = kinds.total()
    return {
        "num_drafts": num_drafts,
        "defects": dict(kinds.most_common()),
        "resolved": num_resolved / total if total else None,
    }
