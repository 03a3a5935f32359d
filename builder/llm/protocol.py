"""What the agents and the search ask of a language model, whatever serves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from builder.errors import UserError

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": "…"}


@dataclass(frozen=True)
class ModelInfo:
    """Who answers: enough to key stored answers and to state provenance.

    ``max_input_tokens`` is the longest prompt that the server takes; ``max_total_tokens`` counts prompt
    and answer together.
    """

    model_id: str
    revision: str
    max_input_tokens: int
    max_total_tokens: int


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do, whatever model it serves.

    ``scores``: whether it gives the log-probs of a prompt. ``takes_ids``: whether a score is asked for by
    ids; else by text, which the server tokenises itself. ``max_payload``: bytes that a request's text may
    have.
    """

    scores: bool
    takes_ids: bool = False
    max_payload: int | None = None


class ModelError(Exception):
    """One call failed for good (after retries). It costs the thought it was for, never the run."""


class ServerGone(UserError):
    """Nobody answers at ``url``: ``words`` say how that shows, ``advice`` what to do about it."""

    def __init__(self, url: str, words: str, advice: str) -> None:
        super().__init__(f"{url}: {words}; {advice}")
        self.words = words


class Model(Protocol):
    """A generator, a scorer, or both: one model behind one endpoint."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def tokenizer(self) -> Any:
        """The model's own fast tokenizer (``transformers``), needed for scoring."""
        ...

    async def generate(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """The assistant's answer to ``messages``. The server applies its own chat template.

        ``temperature`` 0 is greedy. Raises ``ModelError``, or ``UserError`` where no later call could
        succeed either (nobody listens, wrong protocol).
        """
        ...

    async def score(self, context: Sequence[int], target: Sequence[int]) -> list[float]:
        """Log-probabilities (nats) of each id of ``target`` after ``context`` and the target before it.

        Ids include the tokenizer's own prefix (BOS) where it has one; ``context`` is not empty.
        Raises as ``generate`` does.
        """
        ...
