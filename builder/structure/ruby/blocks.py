"""Which blocks wait: what is in them is needed when something happens, not when the file is loaded."""

from __future__ import annotations

import re

_NAMES = {
    # Ruby's own, which make a method of a block.
    "at_exit", "define_method", "define_singleton_method", "lambda", "proc",
    # Examples and tests, and what surrounds each of them.
    "after", "aggregate_failures", "around", "before", "example", "fexample", "fit", "focus", "given", "it",
    "its", "let", "let!", "scenario", "setup", "should", "specify", "subject", "subject!", "teardown", "test",
    "xit", "Given", "When", "Then",
    # Tasks.
    "file", "rule", "task",
    # What frameworks call back: models, controllers, routes, and hooks of an application that starts.
    "console", "default_scope", "delete", "error", "generators", "get", "initializer", "not_found", "on_load",
    "patch", "post", "put", "rake_tasks", "rescue_from", "retry_on", "runner", "to_prepare", "validate",
}  # fmt: skip
_HOOK = re.compile(r"(?:before|after|around|prepend_before|append_after|skip)_\w+|validates_\w+|on_\w+")


def waits(method: str) -> bool:
    """Whether a method keeps its block for later, by the name that it has in Ruby and its best known gems."""
    return method in _NAMES or _HOOK.fullmatch(method) is not None
