"""Starting the pocket server as a child that outlives nobody."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from builder.errors import UserError

READY = "ready "
FAILED = "failed "


@contextlib.contextmanager
def pocket_server(model: str | Path | None = None, *, device: str | None = None) -> Iterator[str]:
    """Run a pocket server on loopback for the length of the context; yields its URL once it answers.

    ``model`` is a directory or a Hub id, by default the embedded model; ``device`` is torch's, by default
    "cuda" where there is one. The server goes away with the process that started it, even a killed one;
    workers forked from that process may use the URL and end as they like. Raises ``UserError`` where the
    server cannot start.
    """
    starter = os.getpid()
    command = [sys.executable, "-m", "builder.llm.pocket", "--port", "0", "--parent", str(starter)]
    if model is not None:
        command += ["--model", str(model)]
    if device is not None:
        command += ["--device", device]
    # In a session of its own, so that a Ctrl-C reaches only the starter, which may still have questions.
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=child_environment(),
    )
    try:
        yield _ready_url(server)
    finally:
        if os.getpid() == starter:
            server.terminate()
            try:
                server.wait(timeout=5)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            assert server.stdout is not None
            server.stdout.close()


def child_environment() -> dict[str, str]:
    """The environment of a child that computes on the CPU and imports this package."""
    import builder

    root = str(Path(builder.__file__).parents[1])
    path = os.environ.get("PYTHONPATH")
    # Threads that wait by spinning take the cores from everybody else: with another busy process on 2 cores,
    # scoring ran at 58 tokens/s with OpenMP's default and at 140 without. Spinning for some microseconds is
    # worth its while: 300 tokens/s, against 250 without and 210 with the default, on nearly idle cores.
    return {
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "20000",
        **os.environ,
        "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root,
    }


def _ready_url(server: subprocess.Popen[str]) -> str:
    """Wait for the one line that the server writes when it answers, or when it knows that it never will."""
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
        if line.startswith(FAILED):
            raise UserError(line.removeprefix(FAILED).strip())
    raise UserError(
        f"the pocket server did not start (exit status {server.wait()}); its last words are above"
    )
