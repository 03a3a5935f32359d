"""Several streams of documents, mixed by weights in tokens that may change along the run.

No random number decides what comes next: it is the source that is furthest behind its weight, so that the mix
is never off by more than a document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from datasets import Dataset, IterableDataset

from builder import UserError

State = dict[str, Any]


class Document(NamedTuple):
    """A document or a piece of one, at most a window long, and the number of the source it came from."""

    ids: np.ndarray  # [T] int32
    labels: np.ndarray  # [T] int32, -100 where there is no loss
    roles: np.ndarray  # [T] int8, as `documents.ROLES` numbers them; 0 where there is none
    source: int

    def first(self, length: int) -> Document:
        """Its first ``length`` tokens."""
        return Document(self.ids[:length], self.labels[:length], self.roles[:length], self.source)


Tokens = tuple[np.ndarray, np.ndarray, np.ndarray]  # ids, labels and roles of a document


class Source(Protocol):
    """Documents without end, and the place in them, which JSON can hold."""

    name: str
    num_tokens: int | None  # in a pass, where that is known

    def next(self) -> Tokens:
        """The next document."""

    def state(self) -> State:
        """The place: given to ``load``, the documents that follow are the same."""

    def load(self, state: State) -> None:
        """Go to the place ``state``."""

    @property
    def identity(self) -> str:
        """What must be the same for a state to mean the same place."""

    @property
    def at_end_of_pass(self) -> bool:
        """Whether the next document begins a pass. Before the first document, too."""


class StoredDocuments:
    """The documents of a ``Dataset``, as ``tokenize_rows`` returns them, in a new order each pass."""

    def __init__(self, name: str, documents: Dataset, seed: int):
        self.name = name
        self.num_tokens = sum(documents["length"])
        self.identity = f"{len(documents)} documents, {self.num_tokens} tokens, seed {seed}"
        self._names = [name for name in ("input_ids", "labels", "roles") if name in documents.column_names]
        self._documents = documents.select_columns(self._names).with_format("arrow")
        self._seed = seed
        self.load({"epoch": 0, "index": 0})

    def next(self) -> Tokens:
        table = self._documents[[int(self._order[self._index])]]
        self._index += 1
        if self.at_end_of_pass:
            self.load({"epoch": self._epoch + 1, "index": 0})
        return _tokens(*(table[name].combine_chunks().flatten().to_numpy() for name in self._names))

    def state(self) -> State:
        return {"epoch": self._epoch, "index": self._index}

    def load(self, state: State) -> None:
        self._epoch, self._index = state["epoch"], state["index"]
        self._order = np.random.default_rng([self._seed, self._epoch]).permutation(len(self._documents))

    @property
    def at_end_of_pass(self) -> bool:
        return self._index % len(self._documents) == 0


class StreamedDocuments:
    """The rows of an ``IterableDataset``, tokenised as they come by ``tokenize``, in their own order.

    ``tokenize`` gives ids and labels of each document, and may give its roles.
    """

    num_tokens: int | None = None
    at_end_of_pass = False  # nothing tells before the next row has been asked for

    def __init__(
        self, name: str, rows: IterableDataset, tokenize: Callable[[Mapping[str, Any]], Sequence[Any]]
    ):
        self.name = name
        self.identity = "streamed"
        self._rows = rows
        self._tokenize = tokenize
        self._start = rows.state_dict()
        self.load({"epoch": 0, "rows": self._start, "piece": 0})

    def load(self, state: State) -> None:
        self._epoch: int = state["epoch"]
        self._before = state["rows"]
        self._rows.load_state_dict(self._before)
        self._iterator = iter(self._rows)
        self._piece: int = state["piece"]
        self._pieces: Sequence[Any] = self._tokenize(next(self._iterator)) if self._piece else []

    def next(self) -> Tokens:
        passes = 0
        while self._piece == len(self._pieces):
            self._before = self._rows.state_dict()
            self._piece = 0
            row = next(self._iterator, None)
            self._pieces = [] if row is None else self._tokenize(row)
            if row is None:
                passes += 1
                if passes == 2:
                    raise UserError(f"source {self.name}: no row of it carries any loss; leave it out")
                self.load({"epoch": self._epoch + 1, "rows": self._start, "piece": 0})
        self._piece += 1
        return _tokens(*self._pieces[self._piece - 1])

    def state(self) -> State:
        # Before the row whose pieces are being handed out, and how many of them have been.
        return {"epoch": self._epoch, "rows": self._before, "piece": self._piece}


def _tokens(ids: Any, labels: Any, roles: Any = None) -> Tokens:
    roles = np.zeros(len(ids), np.int8) if roles is None else np.asarray(roles, np.int8)
    return np.asarray(ids, np.int32), np.asarray(labels, np.int32), roles


@dataclass(frozen=True)
class Weight:
    """A weight that may change along the run: ``(share of the run at which it ends, weight)`` in order."""

    phases: tuple[tuple[float, float], ...]

    @classmethod
    def parse(cls, text: float | str) -> Weight:
        """``12`` or ``"0-80 %: 30, 80-100 %: 10"``; ``UserError`` for anything else."""
        try:
            return cls(((1.0, _not_negative(float(text))),))
        except ValueError:
            pass
        phases: list[tuple[float, float]] = []
        begin = 0.0
        for phase in str(text).split(","):
            match = re.fullmatch(r"\s*([\d.]+)\s*-\s*([\d.]+)\s*%\s*:\s*([\d.]+)\s*", phase)
            if match is None or float(match[1]) != begin or not begin < float(match[2]):
                raise _unreadable(text)
            begin = float(match[2])
            phases.append((begin / 100, float(match[3])))
        if begin != 100:
            raise _unreadable(text)
        return cls(tuple(phases))

    def at(self, progress: float) -> float:
        """The weight at ``progress``, a share of the run; the last one holds beyond its end."""
        return next((weight for end, weight in self.phases if progress < end), self.phases[-1][1])


def _not_negative(number: float) -> float:
    if not 0 <= number < float("inf"):
        raise UserError(f"a weight is a share of tokens and cannot be {number}")
    return number


def _unreadable(text: Any) -> UserError:
    return UserError(
        f"weight {text!r} is neither a number nor phases that cover the run, "
        "such as '0-80 %: 30, 80-100 %: 10'"
    )


class Mixture:
    """Draws documents from ``sources`` so that their tokens stand in the ratio of ``weights``."""

    def __init__(self, sources: Sequence[Source], weights: Sequence[Weight]):
        self.sources = sources
        self._weights = weights
        self._owed = [0.0] * len(sources)  # tokens that each source is behind its weight
        ends = {0.0} | {end for weight in weights for end, _ in weight.phases if end < 1}
        for end in sorted(ends):
            if not any(weight.at(end) for weight in weights):
                raise UserError(f"no source has a weight above 0 from {100 * end:g} % of the run on")

    def next(self, progress: float) -> Document:
        """The next document at ``progress``, a share of the run."""
        weights = [weight.at(progress) for weight in self._weights]
        # A source that has been switched off may still be owed something.
        chosen = max((n for n, weight in enumerate(weights) if weight), key=lambda n: (self._owed[n], -n))
        ids, labels, roles = self.sources[chosen].next()
        total = sum(weights)
        for number, weight in enumerate(weights):
            self._owed[number] += len(ids) * weight / total
        self._owed[chosen] -= len(ids)
        return Document(ids, labels, roles, chosen)

    def state(self) -> State:
        return {"owed": list(self._owed), "sources": [source.state() for source in self.sources]}

    def load(self, state: State) -> None:
        self._owed = list(state["owed"])
        for source, place in zip(self.sources, state["sources"], strict=True):
            source.load(place)
