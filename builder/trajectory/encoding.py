"""Text and spans to token ids, each span tokenised apart: the same for scoring and for training."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
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


def encode_texts(texts: list[str], tokenizer: Any, split: bool = True) -> list[list[int]]:
    """Ids of each text alone: no special tokens added, and none recognised inside the text if ``split``."""
    if not texts:
        return []
    return tokenizer(texts, add_special_tokens=False, split_special_tokens=split)["input_ids"]


def encode(
    text: str,
    spans: Iterable[Mapping[str, Any]],
    tokenizer: Any,
    memo: dict[str, list[int]] | None = None,
    markup: Collection[int] = (),
) -> Encoded:
    """Tokenise each of ``spans`` (``start``, ``end`` in characters of ``text``) apart and join the ids.

    Apart, so that no token belongs to two roles: ``</think>`` and the code's first indent would
    otherwise merge into one. ``memo`` keeps the ids of texts from call to call, for documents that
    differ in one thought. In a chat template, special tokens and the marks of the template are recognised in
    the spans with the numbers ``markup`` alone.
    """
    texts = [text[span["start"] : span["end"]] for span in spans]
    memo = {} if memo is None else memo
    plain = dict.fromkeys(piece for n, piece in enumerate(texts) if n not in markup)
    missing = [piece for piece in plain if piece not in memo]
    memo.update(zip(missing, encode_texts(missing, tokenizer), strict=True))
    ids = prefix_ids(tokenizer)
    if markup:
        memo = memo | _without_marks(plain, tokenizer)
        words = list(dict.fromkeys(texts[number] for number in sorted(markup)))
        special = dict(zip(words, encode_texts(words, tokenizer, split=False), strict=True))
        # A chat template writes down what the tokenizer would put in front.
        ids = [] if ids and special[texts[min(markup)]][: len(ids)] == ids else ids
    prefix = len(ids)
    ranges = []
    for number, piece in enumerate(texts):
        found = special[piece] if number in markup else memo[piece]
        ranges.append((len(ids), len(ids) + len(found)))
        ids += found
    return Encoded(ids, ranges, prefix)


def _without_marks(texts: Iterable[str], tokenizer: Any) -> dict[str, list[int]]:
    """The ids of those ``texts`` that hold a mark of the chat template, with none in them.

    Qwen's ``</tool_call>`` is a token that ends a call, and yet no special one: it would be recognised.
    """
    template = str(tokenizer.chat_template)
    added = (token for token in tokenizer.added_tokens_decoder.values() if not token.special)
    marks = [token.content for token in added if token.content.strip() and token.content in template]
    if not marks:
        return {}
    mark = re.compile(f"(?=(?:{'|'.join(map(re.escape, marks))}))")
    found = {}
    for text in texts:
        if cuts := [match.start() + 1 for match in mark.finditer(text)]:
            parts = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
            found[text] = [token for ids in encode_texts(parts, tokenizer) for token in ids]
    return found
