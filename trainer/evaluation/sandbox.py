"""Programs that a model wrote, run in a jail: namespaces, limits, nothing left behind.

The kernel does the isolating (see ``jail.py``). Where it grants no namespaces, nothing runs at all: there is
no weaker way to fall back to.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from builder import UserError

JAIL = Path(__file__).with_name("jail.py")
_REFUSED = 97
_GRACE = 30.0  # seconds beyond a program's own, after which a jail is given up

# Reads a secret word and a program, runs the program, and gives the word back where it came to its end.
_RUNNER = """
import os, sys
word, _, program = sys.stdin.buffer.read().decode().partition("\\n")
exec(program, {})
os.write(3, word.encode())
"""

# Everything that a program must not be able to do. It comes to its end only where all of it fails.
PROBE = """
import os, socket
def succeeds(act):
    try:
        act()
    except (OSError, AttributeError):
        return False
    return True
assert not succeeds(os.fork), "start a process"
assert not succeeds(lambda: socket.create_connection(("127.0.0.1", 9), 1)), "connect"
assert not any(succeeds(lambda: open(path, "w")) for path in ("/x", "/usr/x", "/etc/x", "/tmp/x")), "write"
assert not succeeds(lambda: os.listdir("/proc")) and not succeeds(lambda: os.listdir("/home")), "look around"
assert os.geteuid() != 0, "be root"
"""


@dataclass(frozen=True)
class Limits:
    """What a program may use: seconds by the clock and of CPU, bytes of memory, bytes of all its files."""

    seconds: float = 10.0
    cpu_seconds: int = 5
    memory: int = 1 << 30
    file_size: int = 1 << 24


def passes(program: str, limits: Limits = Limits()) -> bool:
    """Whether ``program`` runs to its end without an error, within ``limits``.

    Raises ``UserError`` where this machine cannot isolate it; then it has not run.
    """
    word = secrets.token_hex(16)
    executable, prefixes = _interpreter()
    options = {
        "parent": os.getpid(),
        "limits": asdict(limits),
        "prefixes": prefixes,
        "command": [executable, "-I", "-S", "-c", _RUNNER],
    }
    verdict, verdict_write = os.pipe()
    stdin = os.memfd_create("program")
    try:
        os.write(stdin, f"{word}\n{program}".encode(errors="replace"))
        os.lseek(stdin, 0, os.SEEK_SET)
        process = subprocess.Popen(
            [executable, "-I", "-S", str(JAIL), json.dumps(options)],
            stdin=stdin,
            stdout=verdict_write,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        try:
            _, complaint = process.communicate(timeout=limits.seconds + _GRACE)
        except subprocess.TimeoutExpired:
            return False
        finally:
            process.kill()  # and with it, by the kernel, all that it started
            process.wait()
        if process.returncode == _REFUSED:
            raise UserError(
                f"programs cannot be isolated on this machine: {complaint.decode(errors='replace').strip()}; "
                "evaluate where user namespaces are permitted, or leave out --allow-code-execution"
            )
        os.set_blocking(verdict, False)
        try:
            return os.read(verdict, len(word) + 1) == word.encode()
        except BlockingIOError:
            return False
    finally:
        for descriptor in (verdict, verdict_write, stdin):
            os.close(descriptor)


def count_passes(
    programs: Iterable[str],
    limits: Limits = Limits(),
    on_result: Callable[[], object] = lambda: None,
) -> Sequence[bool]:
    """``passes`` for each of ``programs``, as many at once as there are cores; ``on_result`` follows each."""
    check_isolation()

    def judge(program: str) -> bool:
        try:
            return passes(program, limits)
        finally:
            on_result()

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(judge, programs))


@cache
def check_isolation() -> None:
    """Raise ``UserError`` unless a program in the jail can neither start another, connect, nor write."""
    if sys.platform != "linux":
        raise UserError("programs can be isolated on Linux only; leave out --allow-code-execution")
    if not passes("pass"):
        raise UserError(
            "programs do not run in the sandbox of this machine: not even `pass` comes to its end"
        )
    if not passes(PROBE):
        raise UserError("the sandbox of this machine does not hold a program back; nothing was run in it")


def _interpreter() -> tuple[str, list[str]]:
    """The interpreter beneath any virtual environment, and the folders that it needs."""
    executable = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    folders = (sys.base_prefix, sys.base_exec_prefix, Path(executable).parent)
    return executable, list(dict.fromkeys(os.path.realpath(folder) for folder in folders))
