"""Figures over built rows: what the demo, the card and the reports print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

NLL_COLUMNS = ("nll_none", "nll_outline", "nll_other", "nll_before", "nll")


def statistics(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts, token totals, and NLLs (nats per code token, weighted by scored tokens) over ``rows``.

    An NLL is None where no thought has it (a lone thought has no other to be compared with). The others are
    over the thoughts that have all of them, so that they can be compared.
    """
    rows = list(rows)
    files = [file for row in rows for file in row["files"]]
    scores = [score for row in rows for score in row["scores"]]
    present = [column for column in NLL_COLUMNS if any(score[column] is not None for score in scores)]
    compared = [score for score in scores if all(score[column] is not None for column in present)]
    weight = sum(score["num_target_tokens"] for score in compared)
    raw, tokens = (sum(row[column] for row in rows) for column in ("num_raw_tokens", "num_tokens"))
    return {
        "num_repositories": len(rows),
        "num_files": len(files),
        "num_skipped": sum(len(row["skipped"]) for row in rows),
        "num_redactions": sum(file["num_redactions"] for file in files),
        "redactions": dict(sorted(_redactions(files).items())),
        "num_raw_tokens": raw,
        "num_tokens": tokens,
        "num_loss_tokens": sum(row["num_loss_tokens"] for row in rows),
        "token_ratio": tokens / raw if raw else None,
        "num_thoughts": len(scores),
        "num_rewritten": sum(score["rounds_accepted"] > 0 for score in scores),
        "num_compared": len(compared),
        **{
            column: sum(score[column] * score["num_target_tokens"] for score in compared) / weight
            if weight and column in present
            else None
            for column in NLL_COLUMNS
        },
        "languages": dict(Counter(file["language"] or "other" for file in files).most_common()),
        "licenses": dict(Counter(row["license"] or "unknown" for row in rows).most_common()),
        "file_licenses": dict(Counter(file["license"] or "unknown" for file in files).most_common()),
        "generators": sorted({row["generator"] for row in rows if row["generator"]}),
        "scorers": sorted({row["scorer"] for row in rows if row["scorer"]}),
        "prompts": sorted({row["prompts"] for row in rows if row["prompts"]}),
    }


def debugging(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts over rows with debugging: drafts in which checks found something, defects thought about by kind.

    ``resolved`` is the share of those that the real file is free of, None where there are none.
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


def _redactions(files: Iterable[Mapping[str, Any]]) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for file in files:
        kinds.update({entry["kind"]: entry["num"] for entry in file["redactions"]})
    return kinds
