"""What the calls of a connection came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Usage:
    """Counters of one connection, as far as the server tells.

    ``calls`` were asked for, of which ``stored`` were answered without the server (from the store, or by
    an equal call in flight) and ``failed`` not at all. Tokens and ``seconds`` (summed over calls, which
    overlap) are those of the server's own answers.
    """

    calls: int = 0
    stored: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    scored_tokens: int = 0
    seconds: float = 0.0
