"""An experiment of three stages without models: what tests kill, as a process of its own.

    python tests/experiment/toy.py OUTPUT [WORD]

The first stage writes WORD. The second says its process id into the pipe `started` of the output, reads
the pipe `go` to its end, and writes what it found there behind the word. The third counts the letters.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from experiment.run import Runner
from experiment.stages import Stage

FIRST = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
SECOND = """
import os, pathlib, sys
word, product, pipes = map(pathlib.Path, sys.argv[1:])
with (product.parent / "attempts").open("a") as attempts:
    attempts.write("x")
with (pipes / "started").open("w") as pipe:
    pipe.write(str(os.getpid()))
said = (pipes / "go").read_text()
if said == "fail":
    sys.exit("error: nothing to be done with fail")
product.write_text(word.read_text() + said)
"""
THIRD = (
    "import sys, json, pathlib; print('counting', len(sys.argv[1])); pathlib.Path(sys.argv[2]).write_text(\
json.dumps(len(pathlib.Path(sys.argv[1]).read_text())))"
)


def toy_stages(word: str) -> list[Stage]:
    """The three stages."""
    first = Stage(
        "write",
        "first",
        [["{python}", "-c", FIRST, "{here}/word", word]],
        "word",
        ["tests/experiment/toy.py"],
    )
    command = ["{python}", "-c", SECOND, first.ref("word"), "{here}/said", "{output}"]
    second = Stage("wait", "second", [command], "said", ["tests/experiment/toy.py"], needs=[first])
    third = Stage(
        "count",
        "third",
        [["{python}", "-c", THIRD, second.ref("said"), "{here}/count.json"]],
        "count.json",
        ["tests/experiment/toy.py"],
        needs=[second],
    )
    return [first, second, third]


if __name__ == "__main__":
    from builder import UserError

    output = Path(sys.argv[1])
    output.mkdir(exist_ok=True)
    for name in ("started", "go"):
        if not (output / name).exists():
            os.mkfifo(output / name)
    try:
        Runner(toy_stages(*sys.argv[2:] or ["word"]), output).run()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
