"""repo2agent: source repositories turned back into the work that made them.

Importing this package lets ``datasets.load_dataset("./builder", "repo2agent-search", repos=[…])`` build.
"""

from builder.config import BuildConfig
from builder.errors import UserError
from builder.llm import embedded_model
from builder.registration import register
from builder.structure import is_code
from builder.trajectory import (
    RENDERERS,
    Document,
    Encoded,
    context_ranges,
    encode,
    render_row,
    replay,
    take,
)

__all__ = [
    "RENDERERS",
    "BuildConfig",
    "Document",
    "Encoded",
    "UserError",
    "context_ranges",
    "embedded_model",
    "encode",
    "is_code",
    "render_row",
    "replay",
    "take",
]

register()
