"""Where everything that can be made again is kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """The folder of models, downloads and answers: ``$REPO2AGENT_CACHE``, else ``~/.cache/repo2agent``."""
    return Path(os.environ.get("REPO2AGENT_CACHE") or "~/.cache/repo2agent").expanduser()
