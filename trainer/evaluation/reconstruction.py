"""How well a model predicts the code of repositories that it has not seen: mean NLL in nats per token.

Every code file of the rows is a target; READMEs, settings, boilerplate and redacted spans are not. The same
target tokens are scored in three contexts:

- ``nothing``: the file's own path;
- ``dependencies``: the files that it directly depends on, as plain code and each below its path, then its own
  path. Paths stand in lines such as ``==== pkg/area.py ====``, which no arm was trained on: neither the tags
  of trajectories nor the headers of `raw-repos`;
- ``trajectory``: the text of the row itself up to the code, outline and thoughts included. Where one
  generator wrote all rows and nothing was searched, no arm's own choices are in it.

Context and target are tokenised apart and joined as ids. A target is the file's first ``target_tokens``
tokens, and a context that leaves it no room loses its beginning; a trajectory is cut by the window rule that
the search scores by.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from builder import Document, Encoded, UserError, context_ranges, encode, is_code, take
from trainer.documents import load_rows
from trainer.evaluation.model import EvaluatedModel
from trainer.evaluation.nll import Passage, passages_nll
from trainer.evaluation.types import Measure, MeasureOptions, Request, Skip

TITLES = {
    "nothing": "Held-out code given its path alone",
    "dependencies": "Held-out code given its dependencies",
    "trajectory": "Held-out code given an unsearched trajectory",
}
LENGTHS = (
    256,
    512,
    1024,
    2048,
    4096,
)  # upper ends of the buckets, in tokens of the file; then all longer ones


@dataclass(frozen=True)
class ReconstructionOptions(MeasureOptions):
    """Where the rows are, and how much of each file is read."""

    context: str = "dependencies"
    dataset_name: str = ""
    dataset_config: str = "repo2agent"
    split: str = "test"
    window: int = 8192
    """Tokens of context and target together; less where the model reads less."""
    target_tokens: int = 2048
    exclude: str | None = None
    """A file that names files which are not to be read, `repository@revision/path` a line: copies of what a
    model was trained on."""

    def __post_init__(self) -> None:
        if self.context not in TITLES:
            raise UserError(f"reconstruction: no context {self.context!r}; there are {', '.join(TITLES)}")
        if not 0 < self.target_tokens <= self.window // 2:
            raise UserError("reconstruction: `target_tokens` must be positive, and half of `window` at most")

    @property
    def names(self) -> tuple[str, ...]:
        return (f"reconstruction/{self.context}",)

    def _rows(self, request: Request) -> Any:
        name = request.dataset_name or self.dataset_name
        if not name:
            raise Skip("no held-out rows; name what `repo2agent build` wrote with --dataset_name")
        return load_rows(name, self.dataset_config, self.split)

    def fingerprint(self, request: Request) -> str:
        return "\n".join([self._rows(request)._fingerprint, *sorted(self._excluded())])

    def _excluded(self) -> frozenset[str]:
        if self.exclude is None:
            return frozenset()
        try:
            return frozenset(Path(self.exclude).read_text(encoding="utf-8").splitlines())
        except OSError as error:
            raise UserError(f"reconstruction: `exclude` {self.exclude}: {error.strerror}") from None

    def measure(self, evaluated: EvaluatedModel, request: Request) -> list[Measure]:
        rows = self._rows(request)
        if self.context == "trajectory" and not any(
            _has_thoughts(row) for row in rows.select_columns("steps")
        ):
            raise Skip(f"nobody wrote anything in the rows of {self.dataset_config}")
        files = choose_files(rows, request.limit, self._excluded())
        if not files:
            raise UserError(f"no code in the {len(rows)} rows of {self.dataset_config}, {self.split}")
        items = reconstruct(evaluated, rows, files, self)
        (name,) = self.names
        source = {"harness": "repo2agent", "task": name, "version": "1", "num_fewshot": 0}
        title = TITLES[self.context]
        return [Measure(name, title, "nats per token", "lower", items, source, by_length(items))]


@dataclass(frozen=True)
class _File:
    """A file to predict: number of its row, and of the step that writes it."""

    row: int
    step: int
    path: str
    language: str


def choose_files(rows: Any, limit: int | None = None, excluded: Collection[str] = frozenset()) -> list[_File]:
    """The code files of ``rows``; with ``limit`` so many of them, from as many repositories as possible.

    Which ones is decided by the hash of their names, the same ones for every model. None is
    ``excluded``, which names files as items are named.
    """
    found: list[tuple[int, str, _File]] = []
    for number, row in enumerate(rows.select_columns(["id", "files", "steps"])):
        code = {
            file["path"]: file["language"]
            for file in row["files"]
            if is_code(file["language"]) and not file["boilerplate"] and file["num_bytes"]
        }
        files = [
            _File(number, step, entry["path"], code[entry["path"]])
            for step, entry in enumerate(row["steps"])
            if entry["kind"] == "write"
            and entry["path"] in code
            and f"{row['id']}/{entry['path']}" not in excluded
        ]
        files.sort(key=lambda file: _hash(row["id"], file.path))
        found += [(rank, _hash(row["id"]), file) for rank, file in enumerate(files)]
    found.sort(key=lambda entry: entry[:2])
    return sorted((file for *_, file in found[:limit]), key=lambda file: (file.row, file.step))


def _hash(*names: str) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _has_thoughts(row: Mapping[str, Any]) -> bool:
    return any(step["kind"] in ("need", "design") for step in row["steps"])


class _Row:
    """One row in tokens: what each of its files looks like, and what stands before it."""

    def __init__(self, row: Mapping[str, Any], tokenizer: Any, options: ReconstructionOptions, window: int):
        self.id, self.repository = row["id"], row["repository"]
        self._row, self._tokenizer = row, tokenizer
        self.options, self._window = options, window
        self._document = Document(row["text"], row["spans"], row["segments"], row["preamble"])
        self.encoded: Encoded = encode(row["text"], row["spans"], tokenizer)
        # For each file the numbers of the spans that hold its content.
        self._spans: dict[str, list[int]] = {}
        for number, span in enumerate(row["spans"]):
            step = row["steps"][span["step"]]
            if step["kind"] == "write" and span["content"]:
                self._spans.setdefault(step["path"], []).append(number)

    def tokens(self, path: str) -> tuple[int, int]:
        """Where the content of ``path`` stands in the row."""
        spans = self._spans.get(path)
        return (self.encoded.ranges[spans[0]][0], self.encoded.ranges[spans[-1]][1]) if spans else (0, 0)

    def target(self, path: str) -> tuple[int, int]:
        """The part of it that is predicted."""
        start, end = self.tokens(path)
        return start, min(end, start + self.options.target_tokens)

    def scored(self, path: str) -> np.ndarray:
        """For each token of the target whether it counts: redacted placeholders do not."""
        start, end = self.target(path)
        counts = np.zeros(end - start, bool)
        for number in self._spans[path]:
            if self._row["spans"][number]["role"] == "code":
                first, last = self.encoded.ranges[number]
                counts[first - start : last - start] = True
        return counts

    def dependencies(self, path: str) -> list[str]:
        """What ``path`` directly depends on, in the order in which it was written."""
        wanted = {edge["target"] for edge in self._row["dependencies"] if edge["source"] == path} - {path}
        return [other for other in self._spans if other in wanted]

    def context(self, path: str) -> list[int]:
        """The ids that stand before the target of ``path``."""
        start, end = self.target(path)
        room = self._window - (end - start)
        if self.options.context == "trajectory":
            return take(self.encoded.ids, context_ranges(self._document, self.encoded, start, room))
        ids: list[int] = []
        for other in self.dependencies(path) if self.options.context == "dependencies" else ():
            first, last = self.tokens(other)
            ids += [*self._plain(heading(other)), *self.encoded.ids[first:last], *self._plain("\n")]
        ids += self._plain(heading(path))
        prefix = self.encoded.ids[: self.encoded.prefix]
        return [*prefix, *ids[-(room - len(prefix)) :]]

    def _plain(self, text: str) -> list[int]:
        encoded = encode(text, [{"start": 0, "end": len(text)}], self._tokenizer)
        return encoded.ids[encoded.prefix :]


def heading(path: str) -> str:
    """The line above a file in the contexts ``nothing`` and ``dependencies``."""
    return f"==== {path} ====\n"


@dataclass
class _Reading:
    """A passage, and of each target in it the item that it belongs to and the tokens that count."""

    passage: Passage
    items: list[tuple[dict[str, Any], np.ndarray]]


def reconstruct(
    evaluated: EvaluatedModel, rows: Any, files: Sequence[_File], options: ReconstructionOptions
) -> list[dict[str, Any]]:
    """An item for each of ``files``: the mean NLL of its target, weighted by the tokens that count."""
    window = min(options.window, evaluated.window)
    if options.target_tokens > window // 2:
        raise UserError(
            f"reconstruction: {evaluated.name} reads {window} tokens; `target_tokens` may be half of that"
        )
    readings: list[_Reading] = []
    for number, group in itertools.groupby(files, key=lambda file: file.row):
        row = _Row(rows[number], evaluated.tokenizer, options, window)
        readings += _readings(row, list(group), window)
    found = passages_nll(evaluated, [reading.passage for reading in readings], options.names[0])
    for reading, values in zip(readings, found, strict=True):
        for (item, counts), nll in zip(reading.items, values, strict=True):
            item["value"] = float(nll[counts].mean())
    return sorted((item for reading in readings for item, _ in reading.items), key=lambda item: item["id"])


def _readings(row: _Row, files: Sequence[_File], window: int) -> list[_Reading]:
    """What the model must read for ``files`` of one row."""
    readings = []
    whole = _Reading(Passage([], []), [])  # the row from its beginning, once for all files within the window
    for file in files:
        counts = row.scored(file.path)
        if not counts.any():
            continue
        start, end = row.target(file.path)
        first, last = row.tokens(file.path)
        item = {
            "id": f"{row.id}/{file.path}",
            "group": row.repository,
            "value": 0.0,
            "weight": int(counts.sum()),
            "length": last - first,
            "language": file.language,
            "num_dependencies": len(row.dependencies(file.path)),
        }
        if row.options.context == "trajectory" and end <= window:
            whole.passage = Passage(row.encoded.ids[:end], [*whole.passage.targets, (start, end)])
            whole.items.append((item | {"context_tokens": start}, counts))
            continue
        context = row.context(file.path)
        ids = [*context, *row.encoded.ids[start:end]]
        item["context_tokens"] = len(context)
        readings.append(_Reading(Passage(ids, [(len(context), len(ids))]), [(item, counts)]))
    return readings + ([whole] if whole.items else [])


def by_length(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The mean over the files of each length, those that there are."""
    buckets = []
    for low, high in zip((0, *LENGTHS), (*LENGTHS, None), strict=True):
        inside = [item for item in items if low < item["length"] and (high is None or item["length"] <= high)]
        if inside:
            weights = [item["weight"] for item in inside]
            value = float(np.average([item["value"] for item in inside], weights=weights))
            buckets.append({"above": low, "up_to": high, "value": value, "num_items": len(inside)})
    return buckets
