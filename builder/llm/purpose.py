"""What a call is for: said where calls are made, read by whoever counts them, and no part of any request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_PURPOSE: ContextVar[str] = ContextVar("purpose", default="")


@contextmanager
def asking_for(purpose: str) -> Iterator[None]:
    """Calls made within, also by tasks that are started within, are for ``purpose``."""
    token = _PURPOSE.set(purpose)
    try:
        yield
    finally:
        _PURPOSE.reset(token)


def purpose() -> str:
    """What the call at hand is for: a prompt's name, or a part of the search; ``""`` where nobody said."""
    return _PURPOSE.get()
