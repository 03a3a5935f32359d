"""The training data of a run: packed rows without end, shared out over ranks, with a place that can be kept.

Every rank draws the same rows and keeps its share, so that the data of a step do not depend on the number of
ranks, and one small file says where the run stands.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from builder import UserError
from trainer.mixture import Document, Mixture
from trainer.packing import BUFFER_SIZE, Packer

FILE = "data_state.npz"


@dataclass
class Counts:
    """What has been seen since the start of the run, over all ranks."""

    rows: int = 0
    documents: int = 0
    tokens: int = 0
    trained: int = 0  # tokens that carry loss
    squares: int = 0  # sum of squared document lengths: what attention costs
    by_source: list[int] = field(default_factory=list)  # tokens

    def add(self, row: list[Document]) -> None:
        self.rows += 1
        self.documents += len(row)
        for document in row:
            length = len(document.ids)
            self.tokens += length
            self.trained += int((document.labels != -100).sum())
            self.squares += length**2
            self.by_source[document.source] += length


@dataclass(frozen=True)
class Place:
    """Where the data stand after a step: enough to draw the same rows from there on."""

    mixture: dict[str, Any]
    waiting: list[Document]
    counts: Counts
    epoch: float  # passes over the first source, or the share of the run where its size is unknown


class PackedStream(torch.utils.data.IterableDataset):
    """Rows of ``window`` tokens from ``mixture``, those of this ``rank``, step by step.

    A step has ``batch_size * accumulation * num_ranks`` rows. They are dealt out from the one whose attention
    costs most (the sum of squared lengths) to the cheapest, so that ranks which wait for each other in a
    micro-batch have about the same to do. ``budget`` is the number of tokens that the run is to see, by which
    the weights of the mixture may change; with ``exact``, the rows of the last step are cut so that it is not
    passed.

    A row has ``input_ids``, ``labels``, ``roles`` and ``seq_lengths``, as ``packing.PackedRows`` has them.
    """

    def __init__(
        self,
        mixture: Mixture,
        window: int,
        budget: int,
        *,
        batch_size: int = 1,
        accumulation: int = 1,
        rank: int = 0,
        num_ranks: int = 1,
        buffer_size: int = BUFFER_SIZE,
        exact: bool = False,
    ):
        self.window = window
        self.budget = budget
        self.exact = exact
        self.rows_a_step = batch_size * accumulation * num_ranks
        self.names = [source.name for source in mixture.sources]
        self._mixture = mixture
        self._rows_a_micro_batch = batch_size * num_ranks
        self._rank, self._num_ranks = rank, num_ranks
        self._packer: Packer[Document] = Packer(window, buffer_size)
        self._counts = Counts(by_source=[0] * len(mixture.sources))
        self.step = 0
        self._places = {0: self._here()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            rows = [self._next_row() for _ in range(self.rows_a_step)]
            rows.sort(key=_cost, reverse=True)
            if self.exact and self._counts.tokens > self.budget:
                rows = self._cut(rows)
            self.step += 1
            # The step is still to be trained: until it is, a run stands where it was before.
            self._places = {self.step - 1: self._places[self.step - 1], self.step: self._here()}
            for start in range(0, self.rows_a_step, self._rows_a_micro_batch):
                micro_batch = rows[start : start + self._rows_a_micro_batch]
                yield from map(_joined, micro_batch[self._rank :: self._num_ranks])

    def _next_row(self) -> list[Document]:
        packer, sources = self._packer, self._mixture.sources
        while not packer.full:
            # A single source is trained pass by pass: no row holds documents of two.
            if len(sources) == 1 and sources[0].at_end_of_pass and len(packer):
                break
            # What is drawn now is trained after what already waits.
            document = self._mixture.next((self._counts.tokens + packer.num_tokens) / self.budget)
            packer.add(document, len(document.ids))
        row = packer.row()
        self._counts.add(row)
        return row

    def _cut(self, rows: list[list[Document]]) -> list[list[Document]]:
        """``rows`` of the last step without what is beyond the budget, each shortened by the same share.

        No row is left empty; where nothing would be left to train, all stay as they are.
        """
        counts = self._places[self.step].counts
        ends = np.cumsum([sum(len(document.ids) for document in row) for row in rows])
        ends = np.rint(ends * ((self.budget - counts.tokens) / ends[-1])).astype(int)
        cut = [
            _first(row, max(1, int(length)))
            for row, length in zip(rows, np.diff(ends, prepend=0), strict=True)
        ]
        if not any((document.labels[1:] != -100).any() for row in cut for document in row):
            return rows
        self._counts = Counts(**asdict(counts))
        for row in cut:
            self._counts.add(row)
        return cut

    def _here(self) -> Place:
        counts = Counts(**asdict(self._counts))
        tokens_a_pass = self._mixture.sources[0].num_tokens
        epoch = counts.by_source[0] / tokens_a_pass if tokens_a_pass else counts.tokens / self.budget
        return Place(self._mixture.state(), self._packer.documents, counts, epoch)

    @property
    def num_full_steps(self) -> int:
        """Steps to the budget if no position were padding: by these the learning rate is scheduled."""
        return math.ceil(self.budget / (self.rows_a_step * self.window))

    def place(self, step: int) -> Place:
        """Where the data stand after ``step``: this one or the one before."""
        return self._places[step]

    @property
    def _identity(self) -> dict[str, str]:
        sources = {f"source {source.name}": source.identity for source in self._mixture.sources}
        return {
            "window": f"{self.window} tokens",
            "global batch": f"{self.rows_a_step} rows a step",
            **sources,
        }

    def save(self, directory: str | Path, step: int) -> None:
        """Write the place after ``step`` into ``directory``, whole or not at all."""
        place = self.place(step)
        meta = {
            "step": step,
            "identity": self._identity,
            "mixture": place.mixture,
            "counts": asdict(place.counts),
        }
        unfinished = Path(directory, "data_state.unfinished.npz")
        empty = np.empty(0, np.int32)
        np.savez(
            unfinished,
            meta=np.array(json.dumps(meta)),
            lengths=np.array([len(document.ids) for document in place.waiting], np.int64),
            sources=np.array([document.source for document in place.waiting], np.int64),
            ids=np.concatenate([empty, *(document.ids for document in place.waiting)]),
            labels=np.concatenate([empty, *(document.labels for document in place.waiting)]),
            roles=np.concatenate([np.empty(0, np.int8), *(document.roles for document in place.waiting)]),
        )
        unfinished.replace(Path(directory, FILE))

    def load(self, directory: str | Path, max_steps: int | None = None) -> None:
        """Go on from the place in ``directory``.

        Raises ``UserError`` where this run's data are others, and where the run is at its end.
        """
        with np.load(Path(directory, FILE)) as stored:
            meta = json.loads(str(stored["meta"]))
            ends = np.cumsum(stored["lengths"])[:-1]
            tokens = [stored["ids"], stored["labels"]]
            # Checkpoints from before roles were told apart have none.
            tokens.append(stored["roles"] if "roles" in stored.files else np.zeros(len(tokens[0]), np.int8))
            # Nothing waiting still splits into one empty part.
            parts = zip(
                *(np.split(values, ends) for values in tokens), stored["sources"].tolist(), strict=False
            )
            waiting = [Document(*part) for part in parts]
        here, there = self._identity, meta["identity"]
        for name in {**there, **here}:
            if here.get(name) != there.get(name):
                was, now = there.get(name, "absent"), here.get(name, "absent")
                raise UserError(
                    f"{directory} cannot be continued: its {name} was {was}, this run's is {now}; "
                    "set it as it was, or start anew in another output_dir"
                )
        self._mixture.load(meta["mixture"])
        self._packer = Packer(self.window, self._packer.buffer_size)
        for document in waiting:
            self._packer.add(document, len(document.ids))
        self._counts = Counts(**meta["counts"])
        self.step = meta["step"]
        self._places = {self.step: self._here()}
        if self._counts.tokens >= self.budget or self.step == max_steps:
            raise UserError(
                f"{directory} is the end of its run ({self.step} steps, {self._counts.tokens:,} tokens); "
                "raise `max_tokens` or `max_steps` to go on"
            )


def _cost(row: list[Document]) -> int:
    return sum(len(document.ids) ** 2 for document in row)


def _first(row: list[Document], length: int) -> list[Document]:
    """The first ``length`` tokens of a row."""
    kept = []
    for document in row:
        if length > 0:
            kept.append(document.first(length))
        length -= len(document.ids)
    return kept


def _joined(row: list[Document]) -> dict[str, Any]:
    return {
        "input_ids": np.concatenate([document.ids for document in row]).astype(np.int64),
        "labels": np.concatenate([document.labels for document in row]).astype(np.int64),
        "roles": np.concatenate([document.roles for document in row]).astype(np.int64),
        "seq_lengths": [len(document.ids) for document in row],
    }
