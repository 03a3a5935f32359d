"""A model that answers nothing, and counts what it is asked: the true pipeline, without a server."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from builder.config import BuildConfig
from builder.errors import UserError
from builder.llm import Message, ModelInfo, describe, purpose
from builder.pipeline import Models, Reconstruction, reconstruct
from builder.structure import Blueprint

# Prose that holds no name of anybody's code: no rewrite made of it is refused for what it quotes.
_SENTENCES = (
    "The outline says what each part has to offer, so I keep to its names and begin with the smallest piece. "
    "Every value that comes in is looked at before it is used, and what makes no sense is refused at once "
    "with a message that says why. Whatever is needed more than once goes into a helper of its own, which "
    "takes what it needs and gives back a new result rather than changing anything in its place. Callers "
    "expect the same order that they put things in, therefore the work is done step by step and nothing is "
    "skipped when one of them turns out to be empty. Where two cases differ only in detail they share most "
    "of their way, while errors from below are passed on unless there is something useful to add."
)
_WORDS = sorted({word.strip(".,").lower() for word in _SENTENCES.split()} - {"i"})
_SENTENCE = 14  # words


@dataclass
class Need:
    """What some calls come to: those that a server answers, and tokens as ``Usage`` counts them."""

    calls: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    scored_tokens: int = 0


@dataclass
class DryModel:
    """A ``Model`` whose answers are prose of a fixed length and whose log-probs are all the same.

    An answer uses ``answer_share`` of what its call allows. As every candidate scores the same, no rewrite is
    taken, and all are scored. ``needs`` counts by purpose. An equal call is asked once, as with a store.
    """

    info: ModelInfo
    tokenizer: Any
    answer_share: float
    needs: dict[str, Need] = field(default_factory=lambda: defaultdict(Need))
    _seen: set[int] = field(default_factory=set)

    async def generate(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """See ``Model.generate``."""
        num_tokens = max(2, round(self.answer_share * max_tokens))
        texts = tuple(message["content"] for message in messages)
        if self._is_new((texts, max_tokens, temperature, seed)):
            need = self.needs[purpose()]
            need.calls += 1
            need.prompt_tokens += self._num_prompt_tokens(messages)
            need.generated_tokens += num_tokens
        text = prose(num_tokens, seed, self.tokenizer)
        # As code, prose has whatever defects a draft can have.
        return f"```\n{text}\n```" if purpose() == "draft" else text

    async def score(self, context: Sequence[int], target: Sequence[int]) -> list[float]:
        """See ``Model.score``."""
        if self._is_new((tuple(context), tuple(target))):
            need = self.needs[purpose()]
            need.calls += 1
            need.scored_tokens += len(context) + len(target)
        return [-1.0] * len(target)

    def _is_new(self, request: object) -> bool:
        before = len(self._seen)
        self._seen.add(hash(request))
        return len(self._seen) > before

    def _num_prompt_tokens(self, messages: Sequence[Message]) -> int:
        if self.tokenizer.chat_template:
            ids = self.tokenizer.apply_chat_template(list(messages), add_generation_prompt=True)["input_ids"]
            return len(ids)
        return len(self.tokenizer("".join(message["content"] for message in messages))["input_ids"])


@dataclass(frozen=True)
class DryModels:
    """Both ends of a build; ``notes`` say what is assumed of them."""

    generator: DryModel
    scorer: DryModel
    notes: tuple[str, ...] = ()

    async def rehearse(
        self, blueprint: Blueprint, config: BuildConfig, wanted: Sequence[str]
    ) -> tuple[Reconstruction, dict[str, Need]]:
        """Reconstruct ``blueprint``; what came of it, and what it asked for, by purpose."""
        generator, scorer = (
            replace(end, needs=defaultdict(Need), _seen=set()) for end in (self.generator, self.scorer)
        )
        result = await reconstruct(blueprint, Models(generator, scorer), config, wanted)
        return result, {**generator.needs, **scorer.needs}


async def dry_models(config: BuildConfig, answer_share: float) -> DryModels:
    """Stand-ins for the models that ``config`` names, with their tokenizers and windows. ``UserError``."""
    info, tokenizer, note = await describe(config.scorer_url, config.tokenizer)
    scorer = DryModel(info, tokenizer, answer_share)
    notes = [note] if note else []
    if config.generator_url == config.scorer_url:
        return DryModels(scorer, scorer, tuple(notes))
    try:
        info, tokenizer, _ = await describe(config.generator_url)
    except UserError:
        notes.append("the generator's tokens are counted with the scorer's tokenizer: its own cannot be had")
    return DryModels(DryModel(info, tokenizer, answer_share), scorer, tuple(notes))


def prose(num_tokens: int, seed: int, tokenizer: Any) -> str:
    """Sentences of about ``num_tokens`` tokens, the same for the same seed."""
    dice = random.Random(seed)
    words, left = ["I"], num_tokens - 2
    while left > 0:
        word = dice.choice(_WORDS)
        if len(words) % _SENTENCE == 0:
            words[-1] += "."
            left -= 1
        words.append(word)
        left -= _num_tokens(tokenizer, word)
    return " ".join(words) + "."


@cache
def _num_tokens(tokenizer: Any, word: str) -> int:
    return len(tokenizer(f"x {word}", add_special_tokens=False)["input_ids"]) - 1
