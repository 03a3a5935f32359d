"""What a built folder holds, in figures: its rows are read a batch at a time, and only what is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import UserError
from builder.report import ROUNDS_COLUMNS, Rounds, rounds_of
from builder.rows import (
    CONFIGS,
    DEBUGGING_COLUMNS,
    FEATURES,
    LEFT_OUT,
    SPLITS,
    STATISTICS_COLUMNS,
    built_files,
    debugging,
    features_of,
    main_config,
    read_columns,
    statistics,
)

LISTED = 100  # repositories that a card names one by one


@dataclass(frozen=True)
class Split:
    """One split of one config: rows, bytes on disk, and tokens where its rows are counted in tokens."""

    config: str
    name: str
    num_rows: int
    num_bytes: int
    num_tokens: int | None


@dataclass(frozen=True)
class Contents:
    """All that is counted in a folder. ``repositories`` is empty where there are more than ``LISTED``."""

    splits: list[Split]
    statistics: dict[str, Any]
    repositories: list[dict[str, Any]]
    debugging: dict[str, dict[str, Any]]
    left_out: dict[str, int]
    rounds: Rounds
    schemas: dict[str, list[tuple[str, str]]]

    @property
    def configs(self) -> list[str]:
        """Those that have rows, in the order of ``CONFIGS``."""
        return list(dict.fromkeys(split.config for split in self.splits))


def contents(folder: Path) -> Contents:
    """Count what ``folder`` holds; ``UserError`` where that is nothing or cannot be read."""
    import pyarrow

    try:
        splits = list(_splits(folder))
        if not splits:
            raise UserError(f"{folder}: no rows in it; give a folder that `repo2agent build --output` wrote")
        listed: list[dict[str, Any]] = []
        figures = statistics(_noting(_rows(folder, main_config(folder), _MAIN_COLUMNS), listed))
        debugged = [name for name in CONFIGS if name.endswith("-debug") and built_files(folder, name)]
        left_out = Counter(row["reason"] for row in _rows(folder, LEFT_OUT, ("reason",)))
        return Contents(
            splits=splits,
            statistics=figures,
            repositories=sorted(listed, key=lambda row: row["id"]) if len(listed) <= LISTED else [],
            debugging={name: debugging(_rows(folder, name, DEBUGGING_COLUMNS)) for name in debugged},
            left_out=dict(left_out.most_common()),
            rounds=rounds_of(
                _rows(folder, "search-log", ROUNDS_COLUMNS),
                walked=bool(built_files(folder, "repo2agent-random")),
            ),
            schemas=dict(_schemas(folder)),
        )
    except KeyError as error:
        raise UserError(
            f"{folder}: its rows have no {error}: they are of an older version; build them again"
        ) from None
    except (OSError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder}: its rows cannot be read ({reason}); build it again") from None


_MAIN_COLUMNS = (*STATISTICS_COLUMNS, "id", "repository", "revision")


def _rows(folder: Path, config: str | None, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    return read_columns(built_files(folder, config) if config else (), columns)


def _noting(rows: Iterator[dict[str, Any]], listed: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """``rows``, of which ``listed`` keeps what a card says of each, up to one more than it has room for."""
    for row in rows:
        if len(listed) <= LISTED:
            others = {file["license"] or "unknown" for file in row["files"]} - {row["license"] or "unknown"}
            known = {name: row[name] for name in ("id", "repository", "revision", "license")}
            listed.append({**known, "others": sorted(others)})
        yield row


def _splits(folder: Path) -> Iterator[Split]:
    from pyarrow import parquet

    for config in CONFIGS:
        has_tokens = "num_tokens" in features_of(config)
        for name in SPLITS:
            files = [path for path in built_files(folder, config) if path.name.startswith(f"{name}-")]
            num_rows = sum(parquet.read_metadata(path).num_rows for path in files)
            if num_rows:
                yield Split(
                    config,
                    name,
                    num_rows,
                    sum(path.stat().st_size for path in files),
                    sum(row["num_tokens"] for row in read_columns(files, ("num_tokens",)))
                    if has_tokens
                    else None,
                )


def _schemas(folder: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Columns and their types, as the files have them, of each kind of row: by the first config of it."""
    from datasets import Features
    from pyarrow import parquet

    seen: list[Any] = []
    for config in CONFIGS:
        files, kind = built_files(folder, config), features_of(config)
        if files and not any(kind is other for other in seen):
            seen.append(kind)
            features = Features.from_arrow_schema(parquet.read_schema(files[0]))
            title = "the configs with one row a repository" if kind is FEATURES else f"`{config}`"
            yield title, [(name, _type(feature)) for name, feature in features.items()]


def _type(feature: Any) -> str:
    """A feature in words: ``string``, ``list of {path: string, reason: string}``."""
    if isinstance(feature, dict):
        return "{" + ", ".join(f"{name}: {_type(inner)}" for name, inner in feature.items()) + "}"
    inner = getattr(feature, "feature", None)
    if inner is not None:
        return f"list of {_type(inner)}"
    return str(getattr(feature, "dtype", None) or type(feature).__name__.lower())
