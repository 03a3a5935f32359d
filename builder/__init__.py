"""repo2agent: source repositories turned back into the work that made them.

Importing this package lets ``datasets.load_dataset("./builder", "repo2agent-search", repos=[…])`` build.
"""

from builder.config import BuildConfig
from builder.errors import UserError
from builder.llm import embedded_model
from builder.registration import register
from builder.trajectory import RENDERERS, Encoded, encode, render_row, replay

__all__ = [
    "RENDERERS",
    "BuildConfig",
    "Encoded",
    "UserError",
    "embedded_model",
    "encode",
    "render_row",
    "replay",
]

register()
