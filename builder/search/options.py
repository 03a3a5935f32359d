"""How thoughts are searched."""

from __future__ import annotations

from dataclasses import dataclass, replace

from builder.agents import Limits


@dataclass(frozen=True)
class SearchOptions:
    """How thoughts are searched.

    Attributes:
        candidates: Rewrites drawn for a thought in each round (the paper's k).
        rounds: Rounds of rewriting (the paper's r); 0 scores the thoughts and leaves them.
        price: What each token of a thought costs, in nats per token of code.
        margin: What a rewrite must win by, in nats per token of code. None: by more than the noise between
            repeated scores, measured, at the length of the code and for that number of candidates.
        max_thought_tokens: Cap on a thought, in tokens of the scorer; longer rewrites are rejected.
        window_tokens: Length of a scored window of code.
        num_windows: Windows sampled from a file that is longer than all of them together.
        context_tokens: Longest prompt to score with, where it is shorter than what the scorer takes.
        max_common_run: Longest run of words and punctuation that a thought may share with the body.
        max_common_share: Largest share of a thought's 4-grams that may stand in the body.
        max_body_names: How many identifiers a thought may name that stand nowhere but in the body.
        max_echoes: How many stretches of eight tokens of the body a thought may repeat with other names.
        max_calls: Calls after which the search of one repository ends; None: no bound.
        max_tokens: Likewise, tokens of the scorer: those of prompts that are scored and of rewrites.
        max_seconds: Likewise, seconds. Ends another search elsewhere each time, unlike the other two.
    """

    candidates: int = 2
    rounds: int = 3
    price: float = 1e-4
    margin: float | None = None
    max_thought_tokens: int = 400
    window_tokens: int = 256
    num_windows: int = 2
    context_tokens: int | None = None
    max_common_run: int = 8
    max_common_share: float = 0.1
    max_body_names: int = 3
    max_echoes: int = 0
    max_calls: int | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("candidates", "max_thought_tokens", "window_tokens", "num_windows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.context_tokens is not None and self.context_tokens < 2 * self.window_tokens:
            raise ValueError(f"context_tokens must be at least twice window_tokens ({self.window_tokens})")
        for name in ("rounds", "price", "margin", "max_calls", "max_tokens", "max_seconds"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must not be negative, but is {getattr(self, name)}")

    @property
    def limits(self) -> Limits:
        """What a thought may have in common with the body."""
        return Limits(self.max_common_run, self.max_common_share, self.max_body_names, self.max_echoes)

    def without_budget(self) -> SearchOptions:
        """The same search, however much it costs."""
        return replace(self, max_calls=None, max_tokens=None, max_seconds=None)
