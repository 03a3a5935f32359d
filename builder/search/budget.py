"""What the search of one repository may cost. Where it ends, what has been found so far is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from builder.search.options import SearchOptions


@dataclass
class Budget:
    """Counts what a search asks for, stored answers included: a resumed build ends where the first one would.

    Calls and tokens end a search at the same place each time; seconds do so nowhere in particular. What is
    under way when a bound is reached is finished, so that calls may exceed it by one round of one thought.
    """

    options: SearchOptions
    calls: int = 0
    tokens: int = 0
    began: float = field(default_factory=time.monotonic)

    def spend(self, calls: int, tokens: int = 0) -> None:
        self.calls += calls
        self.tokens += tokens

    @property
    def limited(self) -> bool:
        """Whether there is any bound."""
        options = self.options
        return any(
            bound is not None for bound in (options.max_calls, options.max_tokens, options.max_seconds)
        )

    @property
    def spent(self) -> str:
        """The bound that has been reached, in words; ``""`` while there is room."""
        options = self.options
        for bound, used, unit in (
            (options.max_calls, self.calls, "calls"),
            (options.max_tokens, self.tokens, "tokens"),
            (options.max_seconds, time.monotonic() - self.began, "seconds"),
        ):
            if bound is not None and used >= bound:
                return f"{bound:g} {unit}"
        return ""
