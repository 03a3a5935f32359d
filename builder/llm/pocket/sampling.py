"""Drawing tokens: greedy or with a request's own generator, until its end is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How to draw: ``temperature`` 0 is greedy. The same seed and logits give the same token."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0
    stop: tuple[str, ...] = ()


class Sampler:
    """One request's tokens so far; ``finish`` is None until the last is drawn."""

    def __init__(
        self, sampling: Sampling, max_new_tokens: int, tokenizer: Any, eos_ids: frozenset[int]
    ) -> None:
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.finish: str | None = None
        self._sampling = sampling
        self._max_new_tokens = max_new_tokens
        self._tokenizer = tokenizer
        self._eos_ids = eos_ids
        self._generator = torch.Generator().manual_seed(sampling.seed)

    def draw(self, logits: Tensor) -> None:
        """Append the next token, drawn from ``logits`` (``[vocabulary]``, fp32, on the CPU)."""
        logprobs = logits.log_softmax(-1)
        if self._sampling.temperature == 0:
            token = int(logprobs.argmax())
        else:
            probabilities = self._truncate(logits / self._sampling.temperature).softmax(-1)
            token = int(torch.multinomial(probabilities, 1, generator=self._generator))
        self.tokens.append(token)
        self.logprobs.append(float(logprobs[token]))
        if token in self._eos_ids:
            self.finish = "eos_token"
        elif self._stops():
            self.finish = "stop_sequence"
        elif len(self.tokens) >= self._max_new_tokens:
            self.finish = "length"

    def _truncate(self, logits: Tensor) -> Tensor:
        top_k, top_p = self._sampling.top_k, self._sampling.top_p
        if top_k is not None and top_k < len(logits):
            logits = logits.masked_fill(logits < logits.topk(top_k).values[-1], float("-inf"))
        if top_p is not None and top_p < 1:
            ordered, order = logits.sort(descending=True)
            probabilities = ordered.softmax(-1)
            beyond = probabilities.cumsum(-1) - probabilities >= top_p  # the first token always stays
            logits = logits.scatter(0, order[beyond], float("-inf"))
        return logits

    def _stops(self) -> bool:
        if not self._sampling.stop:
            return False
        # A character is at most four byte-level tokens.
        tail = self.tokens[-4 * max(map(len, self._sampling.stop)) :]
        return self._tokenizer.decode(tail, skip_special_tokens=True).endswith(self._sampling.stop)
