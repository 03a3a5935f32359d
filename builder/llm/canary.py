"""A text that is scored before work begins: a server whose scores cannot be used is refused here."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from builder.errors import UserError
from builder.llm.openai import OpenAICompatible
from builder.llm.protocol import ModelError
from builder.llm.reference import can_compute, reference_logprobs
from builder.llm.store import Store, answer_key
from builder.llm.weights import local_weights, revision_of

logger = logging.getLogger(__name__)

TEXT = '''\
"""Orders of a shop, and what they come to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    name: str
    price: float  # in euros, without tax
    quantity: int = 1


def total(items: list[Item], tax: float = 0.19) -> float:
    """The price of all items with tax; 0.0 for an empty order."""
    net = sum(item.price * item.quantity for item in items)
    return round(net * (1 + tax), 2)


def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
'''
EPSILON = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


@dataclass(frozen=True)
class Tolerance:
    """How far log-probs (nats) may be from transformers' in float32, at a token and on average.

    Of the served number format's epsilon: a 135M model's bfloat16 is off by up to 0.41 and by 0.04 on average
    (52 and 5 times its epsilon), its float16 by 0.038 and 0.005 (39 and 5 times); larger models by less.
    In float32 the order of summation matters more than the format.
    """

    largest: float
    mean: float

    @classmethod
    def of(cls, dtype: str) -> Tolerance:
        """A format that is not known may be bfloat16."""
        epsilon = EPSILON.get(dtype, EPSILON["bfloat16"])
        return cls(max(1e-3, 100 * epsilon), max(1e-4, 10 * epsilon))


async def check_scoring(engine: OpenAICompatible, store: Store | None = None) -> None:
    """Score the canary with ``engine``, and compare with transformers where the same weights lie here.

    Raises ``UserError`` in one line where the scores cannot be used. What transformers computes is kept in
    ``store``: each start compares, only the first one loads the model.
    """
    url = engine.endpoint.url
    await engine.check_setup()
    ids: list[int] = engine.tokenizer(TEXT)["input_ids"][: engine.info.max_input_tokens or None]
    try:
        logprobs = await engine.score(ids[:1], ids[1:])
    except ModelError as error:
        raise UserError(f"{url}: the server cannot score ({error})") from error
    if not all(logprob <= 0 for logprob in logprobs) or not any(logprob < 0 for logprob in logprobs):
        raise UserError(f"{url}: the server's scores are no log-probs ({logprobs[:3]} …); {engine.suspects}")
    if engine.verified:
        return
    directory = local_weights(engine.weights, engine.info.revision)
    expected = None if directory is None else await _reference(engine, directory, ids, store)
    if expected is None:
        logger.info("%s: no weights of %s here to compare its scores with", url, engine.weights)
        return
    differences = [abs(mine - theirs) for mine, theirs in zip(expected, logprobs, strict=True)]
    tolerance = Tolerance.of(engine.dtype)
    largest, mean = max(differences), fmean(differences)
    if largest > tolerance.largest or mean > tolerance.mean:
        raise UserError(
            f"{url}: {engine.name} scores otherwise than transformers with the weights in {directory}: off "
            f"by {largest:.2g} at a token and by {mean:.2g} on average, where {tolerance.largest:.2g} and "
            f"{tolerance.mean:.2g} are rounding; {engine.suspects}, or try another version of it"
        )


async def _reference(
    engine: OpenAICompatible, directory: Path, ids: list[int], store: Store | None
) -> list[float] | None:
    # Of the weights that lie here, whatever the server calls its own.
    revision = revision_of(str(directory)) if directory != Path(engine.weights) else engine.info.revision
    key = answer_key(
        {
            "model_id": engine.weights,
            "revision": revision,
            "kind": "reference",
            "request": {"ids": ids},
            "seed": 0,
        }
    )
    if store is not None and (stored := store.get(key)) is not None:
        return list(stored)
    computed = await reference_logprobs(directory, [ids]) if can_compute(directory) else None
    if computed is None:
        return None
    return computed[0] if store is None else list(store.put(key, computed[0]))
