"""An event loop on which minutes cost nothing."""

from __future__ import annotations

import asyncio
import selectors


class VirtualSelector(selectors.SelectSelector):
    """Never sleeps: the time that it should have slept has passed."""

    passed = 0.0

    def select(self, timeout=None):
        assert timeout is not None, "everybody waits, and nothing is going to happen"
        self.passed += max(timeout, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.selector = VirtualSelector()
        super().__init__(self.selector)

    def time(self):
        return self.selector.passed


def virtually(work):
    """Run ``work`` to its end. Where all wait for one another, that is an error and no endless test."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
