"""Scores of a thought: the mean NLL of its file's code, on the row's own rendered text."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from builder.llm import Model
from builder.search.noise import NO_NOISE, Noise
from builder.structure import Blueprint
from builder.trajectory import Growing, TokenRange, Trajectory, context_ranges, take


@dataclass(frozen=True)
class Target:
    """Which tokens of a file's code are scored, counted from the code's first token.

    ``windows`` are the ranges sent to the scorer; of these, ``scored`` positions count (no header, no
    import, no redaction) and ``body`` are those that the outline does not show.
    """

    windows: tuple[TokenRange, ...]
    scored: frozenset[int]
    body: frozenset[int]


@dataclass(frozen=True)
class Score:
    """Mean NLL in nats over a ``Target`` (``body_nll``: None without body), and where it was taken.

    ``num_prompt_tokens`` were sent for it, context and target of all windows.
    """

    nll: float
    body_nll: float | None
    targets: tuple[TokenRange, ...]  # in tokens of the row
    ids_sha256: str
    num_prompt_tokens: int


def choose_target(
    blueprint: Blueprint, path: str, tokenizer, window_tokens: int, num_windows: int
) -> Target | None:
    """The windows of ``path`` to score: all of a short file, an even sample of a long one.

    None where nothing but headers and imports stands in the file.
    """
    file = blueprint.repository.file(path)
    header = blueprint.header_lines.get(path, frozenset())
    shown = frozenset().union(*(entry.signature_lines for entry in blueprint.outlines.get(path, ())))
    scored: set[int] = set()
    body: set[int] = set()
    position, line = 0, 1
    bounds = [0, *(edge for redaction in file.redactions for edge in redaction), len(file.content)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        text = file.content[start:end]
        encoding = tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
        )
        previous = 0
        for offset, _ in encoding["offset_mapping"]:
            line += text.count("\n", previous, offset)
            previous = max(previous, offset)
            if number % 2 == 0 and line not in header:  # odd pieces are redactions
                scored.add(position)
                if line not in shown:
                    body.add(position)
            position += 1
        line += text.count("\n", previous)
    if not scored:
        return None
    first, last = min(scored), max(scored) + 1
    if last - first <= window_tokens * num_windows:
        windows = [(first, last)]
    else:
        stride = (last - first - window_tokens) / max(num_windows - 1, 1)
        starts = [first + round(number * stride) for number in range(num_windows)]
        windows = [(start, start + window_tokens) for start in starts]
    inside = {token for start, end in windows for token in range(start, end)}
    if not scored & inside:
        return None
    return Target(tuple(windows), frozenset(scored & inside), frozenset(body & inside))


@dataclass
class Scorer:
    """Scores trajectories under one model, with prompts of at most ``context_tokens`` (None: what it takes).

    ``noise`` is that of the model's scores, ``memo`` keeps the ids of texts (see ``encode``).
    """

    model: Model
    context_tokens: int | None = None
    noise: Noise = NO_NOISE
    memo: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._growing = Growing(self.model.tokenizer, self.memo)

    @property
    def max_input_tokens(self) -> int:
        """The longest prompt, target included."""
        most = self.model.info.max_input_tokens
        return min(most, self.context_tokens or most)

    async def score(self, trajectory: Trajectory, path: str, target: Target) -> Score:
        """The NLL of the code that ``path``'s sub-agent writes in ``trajectory``.

        The context is the row's own text up to the code, under the window rule. Raises ``ModelError``.
        """
        write = next(n for n, s in enumerate(trajectory.steps) if s.kind == "write" and s.path == path)
        document, encoded = self._growing.upto(trajectory, write)
        span = len(document.spans)
        while span and document.spans[span - 1]["step"] == write:
            span -= 1
        span = next(n for n in range(span, len(document.spans)) if document.spans[n]["content"])
        origin = encoded.ranges[span][0]

        digest = hashlib.sha256()
        calls = []
        num_prompt_tokens = 0
        for start, end in target.windows:
            before = context_ranges(document, encoded, origin + start, self.max_input_tokens - (end - start))
            context = take(encoded.ids, before)
            ids = encoded.ids[origin + start : origin + end]
            digest.update(ids_bytes([*context, *ids]))
            num_prompt_tokens += len(context) + len(ids)
            calls.append(self.model.score(context, ids))
        total = body_total = 0.0
        for (start, _), logprobs in zip(target.windows, await _in_order(calls), strict=True):
            for position, logprob in enumerate(logprobs, start):
                total -= logprob * (position in target.scored)
                body_total -= logprob * (position in target.body)
        return Score(
            nll=total / len(target.scored),
            body_nll=body_total / len(target.body) if target.body else None,
            targets=tuple((origin + start, origin + end) for start, end in target.windows),
            ids_sha256=digest.hexdigest(),
            num_prompt_tokens=num_prompt_tokens,
        )


async def _in_order(calls: Sequence[Awaitable[list[float]]]) -> list[list[float]]:
    """The answers to ``calls``, or the error of the first that has one, whichever failed first."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers  # type: ignore[return-value]


def ids_bytes(ids: list[int]) -> bytes:
    """Token ids as little-endian int32, for hashing."""
    return struct.pack(f"<{len(ids)}i", *ids)
