"""repo2agent: source repositories turned back into the work that made them.

Importing this package lets ``datasets.load_dataset("./builder", "repo2agent-search", repos=[…])`` build.
"""

from __future__ import annotations

import sys
from pathlib import Path

from builder.config import BuildConfig
from builder.errors import UserError
from builder.llm import embedded_model
from builder.trajectory import Encoded, encode, replay

__all__ = ["BuildConfig", "Encoded", "UserError", "embedded_model", "encode", "replay"]

# `datasets` takes two seconds to import; the command line, which never asks it for this folder, answers
# `--help` in a blink.
if Path(sys.argv[0]).name != "repo2agent":
    from builder.registration import register

    register()
