"""The noise of scores: what a rewrite must win by, measured on the engine that scores.

The same text is scored again and again under the conditions of a search: alone, with others at once, in
another order, at another length, first and once the server has it in its cache. What differs is noise.
"""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import NormalDist, fmean
from typing import Any

from builder.errors import UserError
from builder.llm import Connection, Model, ModelError

VERSION = 1  # of the measurement; another one measures anew
TARGET_TOKENS = 256
MAX_CANARY_TOKENS = 800
# Lengths of targets that noise is estimated for. Between two of them the shorter one counts, and beyond the
# last one the last: noise falls with the length, so both err on the safe side.
LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
# A round may take a rewrite that is no better this often, however many candidates it draws. With two
# candidates that is the 99.9th percentile of absolute differences.
FALSE_ACCEPTANCE = 0.001
CONFIDENCE = 0.95  # that the spread of a few repeats is not underestimated
# In nats per token. A deterministic engine repeats its rounding errors, but another order of summation gives
# others: float32 steps by 1e-6 for log-probs of 8 to 16, and a forward pass keeps about one digit less
# (the pocket server, bit-identical for equal requests, moves by 3e-6 where the text behind is longer).
FLOOR = 1e-5
# Four texts, each as (variant, tail): the tail is how many lines are left out at the end, so that a text
# comes in other lengths, with the same tokens in front. One list is one wave of calls made at once.
_ALONE = [[(variant, 0)] for variant in range(4)]
_SCHEDULE: list[list[tuple[int, int]]] = [
    *_ALONE,
    [(variant, 0) for variant in range(4)],
    [(variant, tail) for tail in (9, 0, 3) for variant in (3, 2, 1, 0)],
    *([(variant, 3)] for variant in range(4)),
    [(variant, tail) for variant in (2, 0, 3, 1) for tail in (0, 9)],
]


@dataclass(frozen=True)
class Noise:
    """How repeated scores of one text differ, by length of the target (tokens), in nats per token.

    ``spread`` is the standard deviation of the difference of two scores, raised to what it may be at
    ``CONFIDENCE``; ``largest`` the largest difference seen. Both empty: an engine without noise.
    """

    spread: dict[int, float]
    largest: dict[int, float]

    def margin(self, num_tokens: int, candidates: int = 1) -> float:
        """What the best of ``candidates`` must win by over ``num_tokens`` tokens, in nats per token.

        The share of ``FALSE_ACCEPTANCE`` that is left to each candidate (Bonferroni) gives the quantile of
        a normal distribution; errors that are rarer and larger than that are met by the largest one seen.
        """
        length = max((n for n in self.spread if n <= num_tokens), default=None)
        if length is None:
            return FLOOR
        quantile = NormalDist().inv_cdf(1 - FALSE_ACCEPTANCE / candidates)
        return max(FLOOR, quantile * self.spread[length], self.largest[length])


NO_NOISE = Noise({}, {})


async def measure_noise(model: Model) -> Noise:
    """The noise of ``model``'s scores, from 32 scores of at most 800 tokens each.

    A ``Connection`` keeps them in its store like any other answer, each under its place among the repeats:
    they are asked for once a model and engine, and the same answers give the same noise. Raises
    ``UserError`` where one cannot be had.
    """
    texts = _texts(model)
    scores: list[list[list[float]]] = [[] for _ in texts]
    repeat = 0
    try:
        for wave in _SCHEDULE:
            calls = []
            for variant, tail in wave:
                repeat += 1
                context, target = texts[variant].request(tail)
                calls.append(_score(model, context, target, repeat))
            answers = await asyncio.gather(*calls)
            for (variant, _), logprobs in zip(wave, answers, strict=True):
                scores[variant].append(logprobs[: texts[variant].num_tokens])
    except ModelError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"the noise of {model.info.model_id}'s scores could not be measured ({reason}); "
            "search.margin=… says what it is"
        ) from error
    return estimate(scores)


def estimate(scores: Sequence[Sequence[Sequence[float]]]) -> Noise:
    """Noise from log-probs (nats) by text, repeat and token; texts may differ in length.

    Means over windows of each length are compared between repeats. Errors of neighbouring tokens may go
    together, and those of a whole call may too: so windows stand as they are in the text, and of repeats
    only their number counts as independent. That number is too small to read a 99.9th percentile from, or
    to resample one; the spread is estimated instead, with the upper limit of a variance that has so many
    degrees of freedom: s² · f / χ²(1 - CONFIDENCE; f), χ² after Wilson and Hilferty (PNAS 17, 1931).
    """
    freedom = sum(len(repeats) - 1 for repeats in scores)
    z = NormalDist().inv_cdf(CONFIDENCE)
    chi_squared = freedom * (1 - 2 / (9 * freedom) - z * math.sqrt(2 / (9 * freedom))) ** 3
    rounding = _rounding([x for repeats in scores for logprobs in repeats for x in logprobs])
    spread: dict[int, float] = {}
    largest: dict[int, float] = {}
    shortest = min(len(repeats[0]) for repeats in scores)
    for length in reversed([n for n in LENGTHS if n <= shortest]):
        variances, ranges = [], []
        for repeats in scores:
            sums = [list(accumulate(logprobs, initial=0.0)) for logprobs in repeats]
            for start in range(0, len(repeats[0]) - length + 1, max(1, length // 4)):
                means = [(at[start + length] - at[start]) / length for at in sums]
                middle = fmean(means)
                variances.append(sum((mean - middle) ** 2 for mean in means) / (len(means) - 1))
                ranges.append(max(means) - min(means))
        # Two scores differ by twice the variance of one.
        deviation = math.sqrt(2 * (fmean(variances) * freedom / chi_squared + rounding**2 / length))
        # A shorter target is never less noisy than a longer one.
        spread[length] = max(deviation, *spread.values(), 0.0)
        largest[length] = max(*ranges, *largest.values(), 0.0)
    return Noise(dict(sorted(spread.items())), dict(sorted(largest.items())))


def _rounding(logprobs: list[float]) -> float:
    """The standard deviation (nats) of the rounding that each log-prob went through.

    An engine that rounds to 16 bits repeats its values exactly, yet the same code after two thoughts is
    rounded in two ways. A value with at most b significant bits has steps of 2^(e-b); the error is uniform.
    """
    if len(set(logprobs)) < 32:
        return 0.0  # too few to tell in what format they were
    bits = max(_significant_bits(logprob) for logprob in logprobs)
    if bits > 11:  # bfloat16 has 8, float16 11; float32's steps lie below the floor
        return 0.0
    steps = [2.0 ** (math.frexp(logprob)[1] - bits) for logprob in logprobs if logprob]
    return math.sqrt(fmean(step * step for step in steps) / 12)


def _significant_bits(value: float) -> int:
    """How many bits the mantissa of ``value`` needs in float32, the leading one included."""
    mantissa = struct.unpack("<I", struct.pack("<f", value))[0] & 0x7FFFFF | 0x800000
    return 24 - ((mantissa & -mantissa).bit_length() - 1)


@dataclass(frozen=True)
class _Text:
    """The canary in several lengths: ``context`` ids, and by number of lines left out what follows it."""

    context: list[int]
    num_tokens: int  # of the target that all lengths have
    targets: dict[int, list[int]]

    def request(self, tail: int) -> tuple[list[int], list[int]]:
        return self.context, self.targets[tail]


def _texts(model: Model) -> list[_Text]:
    """The variants of the canary. They differ from the first line on: none finds another one in a cache."""
    limit = min(model.info.max_input_tokens or MAX_CANARY_TOKENS, MAX_CANARY_TOKENS)
    lines = Path(__file__).with_name("canary.txt").read_text(encoding="utf-8").splitlines()
    tails = sorted({tail for wave in _SCHEDULE for _, tail in wave})
    texts = []
    for variant in range(len(_ALONE)):
        shown = [f"# Canary {VERSION}.{variant}: scored again and again to see what differs.", *lines]
        while len(shown) > 2 and len(_ids(model, shown)) > limit:
            shown.pop()
        by_tail = {tail: _ids(model, shown[: max(len(shown) - tail, 2)]) for tail in tails}
        base = by_tail[tails[-1]]
        num_tokens = min(TARGET_TOKENS, len(base) // 2)
        if len(by_tail[0]) > limit:
            raise UserError(f"{model.info.model_id} takes too short a prompt to score ({limit} tokens)")
        split = len(base) - num_tokens
        targets = {
            # A tokenizer that joins tokens across lines would make it another text: then there is no tail.
            tail: (ids if ids[: len(base)] == base else base)[split:]
            for tail, ids in by_tail.items()
        }
        texts.append(_Text(base[:split], num_tokens, targets))
    return texts


def _ids(model: Model, lines: list[str]) -> list[int]:
    # No newline at the end: it would be one token with the indent that follows it in a longer text.
    text = "\n".join(lines).rstrip()
    encoding: dict[str, Any] = model.tokenizer(text)
    return list(encoding["input_ids"])


async def _score(model: Model, context: list[int], target: list[int], repeat: int) -> list[float]:
    if isinstance(model, Connection):
        return await model.score(context, target, repeat=repeat)
    return await model.score(context, target)
