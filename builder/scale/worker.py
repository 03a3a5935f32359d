"""A worker process of a build: standard input says what to do, and stays open while that is wanted."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import threading

from builder.errors import UserError
from builder.scale.job import Job
from builder.scale.work import build_shards


def main() -> None:
    url, config, shards = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_watch, daemon=True).start()
    try:
        asyncio.run(build_shards(Job(url, config), shards))
    except UserError as error:
        sys.stdout.write(str(error))
        sys.exit(1)


def _watch() -> None:
    """End this process with the one that started it, however that ended."""
    while os.read(sys.stdin.fileno(), 4096):  # past the buffer, whose lock the interpreter wants at its end
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
