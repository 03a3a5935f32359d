"""A text that is scored before work begins: a server whose scores cannot be used is refused here."""

from __future__ import annotations

from builder.errors import UserError
from builder.llm.openai import OpenAICompatible
from builder.llm.protocol import ModelError

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


async def check_scoring(engine: OpenAICompatible) -> None:
    """Score the canary with ``engine``. Raises ``UserError`` in one line where its scores cannot be used."""
    url = engine.endpoint.url
    await engine.check_setup()
    ids: list[int] = engine.tokenizer(TEXT)["input_ids"][: engine.info.max_input_tokens or None]
    try:
        logprobs = await engine.score(ids[:1], ids[1:])
    except ModelError as error:
        raise UserError(f"{url}: the server cannot score ({error})") from error
    if not all(logprob <= 0 for logprob in logprobs) or not any(logprob < 0 for logprob in logprobs):
        raise UserError(f"{url}: the server's scores are no log-probs ({logprobs[:3]} …); {engine.suspects}")
