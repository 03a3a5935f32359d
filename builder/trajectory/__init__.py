"""Steps, roles, rendering with role spans, cutting: what agents write, search scores and rows store."""

from builder.trajectory.document import Document, Range, Segment, Span, render, render_raw
from builder.trajectory.encoding import Encoded, encode, encode_texts, prefix_ids
from builder.trajectory.replay import ReplayError, replay, step_texts
from builder.trajectory.steps import DEFAULT_LOSS_ROLES, MAIN, Step, Trajectory, clean, printable
from builder.trajectory.window import TokenRange, context_ranges, take, token_range

__all__ = [
    "DEFAULT_LOSS_ROLES",
    "MAIN",
    "Document",
    "Encoded",
    "Range",
    "ReplayError",
    "Segment",
    "Span",
    "Step",
    "TokenRange",
    "Trajectory",
    "clean",
    "context_ranges",
    "encode",
    "encode_texts",
    "prefix_ids",
    "printable",
    "render",
    "render_raw",
    "replay",
    "step_texts",
    "take",
    "token_range",
]
