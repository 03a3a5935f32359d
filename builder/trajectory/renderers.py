"""The forms in which a trajectory becomes text, by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from builder.errors import UserError
from builder.trajectory.chat import render_chat
from builder.trajectory.document import Document, render, render_raw
from builder.trajectory.restore import from_row
from builder.trajectory.steps import Trajectory, without_words, writes_only

Renderer = Callable[[Trajectory, Any, Collection[str]], Document]  # tokenizer and loss roles

RENDERERS: dict[str, Renderer] = {
    "tagged": lambda trajectory, _, roles: render(trajectory, roles),
    "chat": render_chat,
    "raw": lambda trajectory, _, roles: render_raw(writes_only(trajectory), roles),
    "spec-only": lambda trajectory, _, roles: render(without_words(trajectory), roles),
}


def render_row(
    row: Mapping[str, Any], renderer: str, tokenizer: Any, loss_roles: Collection[str] | None = None
) -> Document:
    """A row in another form: one of ``RENDERERS``.

    Spans number the steps that the form has. Without ``loss_roles`` those carry loss that do in the row.
    Raises ``UserError`` for a form that there is not, and as :func:`render_chat` does.
    """
    if renderer not in RENDERERS:
        raise UserError(f"no renderer {renderer!r}; there are {', '.join(RENDERERS)}")
    if loss_roles is None:
        loss_roles = {span["role"] for span in row["spans"] if span["loss"]}
    return RENDERERS[renderer](from_row(row), tokenizer, loss_roles)
