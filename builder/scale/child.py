"""The child of a ``Reader``: reads repositories that it is told of on standard input, one at a time."""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any, BinaryIO

from builder.errors import FatalError, UserError
from builder.scale.reader import LENGTH


def main() -> None:
    """Answer requests until there are no more: a parent that is gone, however it went, asks for nothing."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints, prints elsewhere
    requests = sys.stdin.buffer
    while (request := _receive(requests)) is not None:
        answer = pickle.dumps(_answer(*pickle.loads(request)))
        try:
            answers.write(LENGTH.pack(len(answer)) + answer)
            answers.flush()
        except BrokenPipeError:
            return


def _receive(file: BinaryIO) -> bytes | None:
    head = file.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = file.read(length)
    return body if len(body) == length else None


def _answer(task: str, source: str, options: Any) -> tuple[str, Any]:
    from builder import selection, structure

    try:
        if task == "survey":
            return "answer", selection.survey(source, options)
        return "answer", structure.analyze(selection.read(source, options))
    except FatalError as error:
        return "fatal", str(error)
    except UserError as error:
        return "unreadable", str(error)
    except Exception as error:  # one of 300,000 repositories may well find a fault of ours
        return "unreadable", f"{source}: cannot be read ({type(error).__name__}: {error})"


if __name__ == "__main__":
    main()
