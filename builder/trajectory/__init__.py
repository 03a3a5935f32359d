"""Steps, roles, rendering with role spans, cutting: what agents write, search scores and rows store."""

from builder.trajectory.chat import render_chat
from builder.trajectory.conversation import as_messages, tools, turns
from builder.trajectory.document import Document, Range, Segment, Span, render, render_raw
from builder.trajectory.encoding import Encoded, encode, encode_texts, prefix_ids
from builder.trajectory.growing import Growing
from builder.trajectory.renderers import RENDERERS, render_row
from builder.trajectory.replay import ReplayError, replay, step_texts
from builder.trajectory.restore import from_row
from builder.trajectory.steps import (
    DEFAULT_LOSS_ROLES,
    MAIN,
    Step,
    Trajectory,
    clean,
    printable,
    without_words,
    writes_only,
)
from builder.trajectory.window import TokenRange, context_ranges, take, token_range

__all__ = [
    "DEFAULT_LOSS_ROLES",
    "MAIN",
    "RENDERERS",
    "Document",
    "Encoded",
    "Growing",
    "Range",
    "ReplayError",
    "Segment",
    "Span",
    "Step",
    "TokenRange",
    "Trajectory",
    "as_messages",
    "clean",
    "context_ranges",
    "encode",
    "encode_texts",
    "from_row",
    "prefix_ids",
    "printable",
    "render",
    "render_chat",
    "render_raw",
    "render_row",
    "replay",
    "step_texts",
    "take",
    "token_range",
    "tools",
    "turns",
    "without_words",
    "writes_only",
]
