"""Text and spans to token ids, each span tokenised apart: the same for scoring and for training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Encoded:
    """Token ids of a document and, for each span, the half-open range of tokens that it became.

    ``prefix`` counts the ids in front that belong to no span (BOS, where the tokenizer has one).
    """

    ids: list[int]
    ranges: list[tuple[int, int]]
    prefix: int


def prefix_ids(tokenizer: Any) -> list[int]:
    """The special ids that ``tokenizer`` puts in front of every text (Llama-3: BOS; SmolLM2: none)."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a", add_special_tokens=True)["input_ids"]
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return list(full[:start])
    raise ValueError(f"{type(tokenizer).__name__} changes the text when it adds special tokens")


def encode_texts(texts: list[str], tokenizer: Any) -> list[list[int]]:
    """Ids of each text alone: no special tokens added, and none recognised inside the text."""
    if not texts:
        return []
    return tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def encode(
    text: str, spans: Iterable[Mapping[str, Any]], tokenizer: Any, memo: dict[str, list[int]] | None = None
) -> Encoded:
    """Tokenise each of ``spans`` (``start``, ``end`` in characters of ``text``) apart and join the ids.

    Apart, so that no token belongs to two roles: ``</think>`` and the code's first indent would
    otherwise merge into one. ``memo`` keeps the ids of texts from call to call, for documents that
    differ in one thought.
    """
    texts = [text[span["start"] : span["end"]] for span in spans]
    memo = {} if memo is None else memo
    missing = list(dict.fromkeys(piece for piece in texts if piece not in memo))
    memo.update(zip(missing, encode_texts(missing, tokenizer), strict=True))
    ids = prefix_ids(tokenizer)
    prefix = len(ids)
    ranges = []
    for piece in texts:
        ranges.append((len(ids), len(ids) + len(memo[piece])))
        ids += memo[piece]
    return Encoded(ids, ranges, prefix)
