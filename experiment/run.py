"""Running stages: in order, several at once where they may, each in a process group of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from statistics import median

from builder import UserError
from experiment.stages import DONE, LOG, ROOT, Stage, as_shell, shown, write_whole

_PATIENCE = 120.0  # seconds that a training which was told to stop has for its checkpoint


class Runner:
    """Runs ``stages`` below ``output``, ``jobs`` at once, a line each; what is finished is left as it is."""

    def __init__(
        self, stages: Sequence[Stage], output: Path, jobs: int = 1, seconds: dict[str, int] | None = None
    ) -> None:
        self._stages = stages
        self._output = output
        self._jobs = jobs
        self._expected = seconds or {}
        self._measured: dict[str, list[float]] = defaultdict(list)
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopping = False

    def run(self) -> dict[str, float]:
        """Run what is not finished; seconds of each stage by name. ``UserError`` for one that fails."""
        done: dict[str, float] = {}
        waiting: list[Stage] = []
        for number, stage in enumerate(self._stages, 1):
            if (known := stage.done(self._output)) is not None:
                done[stage.name] = known["seconds"]
                self._measured[stage.kind].append(known["seconds"])
                print(f"[{number}/{len(self._stages)}] {stage.name}: as it was, {_time(known['seconds'])}")
            else:
                waiting.append(stage)
        if waiting:
            print(f"logs: {shown(self._output)}/stages/*/{LOG}{self._left(waiting)}", flush=True)
        running: dict[Future[float], Stage] = {}
        handler = signal.signal(signal.SIGTERM, _as_interrupt)
        pool = ThreadPoolExecutor(self._jobs)
        status = _StatusLine(self._output)
        try:
            while waiting or running:
                for stage in list(waiting):
                    if len(running) < self._jobs and all(
                        need.name in done for need in (*stage.needs, *stage.follows)
                    ):
                        waiting.remove(stage)
                        running[pool.submit(self._run, stage)] = stage
                if not running:
                    raise RuntimeError(f"{waiting[0].name} waits for what is no stage")
                finished, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
                status.show(running.values())
                for future in finished:
                    stage = running.pop(future)
                    seconds = future.result()
                    done[stage.name] = seconds
                    self._measured[stage.kind].append(seconds)
                    status.clear()
                    left = self._left([*waiting, *running.values()])
                    place = f"[{self._stages.index(stage) + 1}/{len(self._stages)}]"
                    print(f"{place} {stage.name}: {_time(seconds)}{left}", flush=True)
        finally:
            status.clear()
            self._stop()
            pool.shutdown(wait=True, cancel_futures=True)
            signal.signal(signal.SIGTERM, handler)
        return done

    def _left(self, stages: Sequence[Stage]) -> str:
        """How long ``stages`` will take, as far as that can be told."""
        guesses = []
        for stage in stages:
            measured = self._measured[stage.kind]
            guesses.append(median(measured) if measured else self._expected.get(stage.kind))
        known = [guess for guess in guesses if guess is not None]
        if not guesses:
            return ""
        if len(known) < len(guesses):
            return f"; {len(guesses)} to go"
        return f"; {len(guesses)} to go, about {_time(sum(known) / self._jobs)}"

    def _run(self, stage: Stage) -> float:
        """Run the commands of ``stage`` and keep that it is finished; the seconds that took."""
        folder = stage.folder(self._output)
        folder.mkdir(parents=True, exist_ok=True)
        _end_leftovers(folder)
        commands, files = stage.filled(self._output)
        for name, text in files.items():
            write_whole(folder / name, text)
        began = time.monotonic()
        if not (stage.once and stage.has_product(self._output)):
            stage.before(folder)
            for command in commands:
                self._call(stage, command, folder)
            if not stage.has_product(self._output):
                raise UserError(f"{stage.name} has written no {stage.product} yet; see {shown(folder / LOG)}")
        stage.after(folder)
        seconds = round(time.monotonic() - began, 1)
        finished = {"name": stage.name, "seconds": seconds, "commands": [as_shell(c) for c in commands]}
        write_whole(folder / DONE, json.dumps(finished, indent=2) + "\n")
        return seconds

    def _call(self, stage: Stage, command: list[str], folder: Path) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *_python_path()])}
        if self._jobs > 1:
            env.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // self._jobs)))
        with (folder / LOG).open("ab") as log:
            log.write(f"$ {as_shell(command)}\n".encode())
            log.flush()
            with self._lock:
                if self._stopping:
                    raise KeyboardInterrupt
                process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self._processes.add(process)
            status = process.wait()
            with self._lock:
                self._processes.discard(process)
                stopping = self._stopping
        if status and stopping:
            raise KeyboardInterrupt
        if status:
            raise UserError(
                f"{stage.name} failed (status {status}): {last_line(folder / LOG)}; its log is "
                f"{shown(folder / LOG)}"
            )

    def _stop(self) -> None:
        """End what still runs: trainings save a checkpoint, builds and evaluations keep what they had."""
        with self._lock:
            self._stopping = True
            groups = [process.pid for process in self._processes]
        for group in groups:
            end_group(group)


class _StatusLine:
    """On a terminal, what the running commands last said of their progress."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._on = sys.stderr.isatty()

    def show(self, stages: Iterable[Stage]) -> None:
        if not self._on:
            return
        said = [f"{s.name}: {last_line(s.folder(self._output) / LOG)}" for s in stages]
        width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
        print(f"\r\033[K{' | '.join(said)[:width]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._on:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def last_line(log: Path) -> str:
    """The last thing that a log says; of a progress bar, its last state."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    return next((line for line in reversed(lines) if line), "")[:300]


def end_group(group: int, patience: float = _PATIENCE) -> None:
    """End the processes of ``group`` with SIGTERM, after ``patience`` seconds with SIGKILL; wait for it."""
    for sign, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(group, sign)
        except ProcessLookupError:
            return
        limit = time.monotonic() + seconds
        while _living(group) and time.monotonic() < limit:
            time.sleep(0.05)


def _end_leftovers(folder: Path) -> None:
    """End what an experiment that was killed left running for ``folder``: two would write over each other."""
    for pid in _processes():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            here = Path(f"/proc/{pid}/cwd").readlink() == ROOT
            group = os.getpgid(pid)
        except OSError:  # gone, or somebody else's
            continue
        ours = here and words[0] == sys.executable and any(shown(folder) in word for word in words)
        if ours and group != os.getpgid(0):
            end_group(group, patience=0.0)


def _living(group: int) -> bool:
    """Whether a process of ``group`` is left that is no zombie."""
    for pid in _processes():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        state, _parent, its_group = stat.rpartition(")")[2].split()[:3]
        if int(its_group) == group and state != "Z":
            return True
    return False


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
