"""A worker process of a build: it asks for one shard after another, until there is none.

It asks by ``NEXT``, a line on its standard output, and is answered on its standard input by a number, or an
empty line at the end. What else it says is what is wrong. Its input stays open while its work is wanted.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from queue import SimpleQueue

from builder.errors import UserError
from builder.scale.job import Job
from builder.scale.work import build_shards

NEXT = "next\n"


def main() -> None:
    url, config = pickle.load(sys.stdin.buffer)
    answers: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(answers,), daemon=True).start()
    try:
        asyncio.run(build_shards(Job(url, config), _shards(answers)))
    except UserError as error:
        sys.stdout.write(str(error))
        sys.exit(1)


def _shards(answers: SimpleQueue[str]) -> Iterator[int]:
    while True:
        sys.stdout.write(NEXT)
        sys.stdout.flush()
        answer = answers.get()
        if not answer:
            return
        yield int(answer)


def _listen(answers: SimpleQueue[str]) -> None:
    """Hear the answers, and end this process with the one that started it, however that ended."""
    # Not through the buffer of `sys.stdin`, whose lock the interpreter wants at its end.
    with open(os.dup(sys.stdin.fileno()), "rb", buffering=0) as lines:  # noqa: PTH123 - no path
        for line in lines:
            answers.put(line.decode().strip())
    os._exit(1)


if __name__ == "__main__":
    main()
