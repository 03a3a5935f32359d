"""Stages: commands whose result is kept under a hash of all that decides it.

A stage has a folder of its own, ``<output>/stages/<name>-<key>``, with the files that its commands read,
their log, and what they write. The key covers commands, files, the code behind them and the keys of the
stages before, but neither paths of this machine nor its hardware, and versions of libraries only where a
model is at work: an output that is carried elsewhere stays valid. Nothing is ever removed for being out of
date; its key is simply asked for no longer.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DONE = "stage.json"
LOG = "log.txt"
KEY_LENGTH = 10
# Those whose version may change what a model does.
LIBRARIES = ("torch", "transformers", "tokenizers", "trl", "datasets", "lm_eval")


def nothing(_folder: Path) -> None:
    """What most stages do before and after their commands."""


@dataclass(frozen=True)
class Stage:
    """One stage.

    In ``commands`` and ``files``, ``{here}`` is its folder, ``{output}`` that of the experiment, and
    ``{python}`` and ``{bin}`` this Python and the folder of its commands.
    """

    kind: str
    name: str
    commands: Sequence[Sequence[str]]
    product: str  # what the last command writes when all is well, relative to the folder
    code: Sequence[str]  # globs, from the project's root, of the code that decides the result
    files: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)  # what else decides it
    libraries: Sequence[str] = ()  # whose versions do
    needs: Sequence[Stage] = ()
    follows: Sequence[Stage] = ()  # to be finished before, without deciding anything
    once: bool = False  # whether the commands must not run again once the product is there
    before: Callable[[Path], None] = nothing  # each time that the commands are about to run
    after: Callable[[Path], None] = nothing  # once they have run

    @cached_property
    def key(self) -> str:
        """A hash of all that decides the result."""
        parts = {
            "name": self.name,
            "commands": [list(command) for command in self.commands],
            "files": self.files,
            "inputs": self.inputs,
            "code": [code_hash(pattern) for pattern in self.code],
            "libraries": versions(tuple(self.libraries)),
            "needs": [need.key for need in self.needs],
        }
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]

    @property
    def place(self) -> str:
        """Its folder, relative to the experiment's output."""
        return f"stages/{re.sub(r'[^A-Za-z0-9]+', '-', self.name)}-{self.key}"

    def ref(self, name: str = "") -> str:
        """A file of this stage, for the commands and files of a later one."""
        return "/".join(filter(None, ["{output}", self.place, name]))

    def folder(self, output: Path) -> Path:
        return output / self.place

    def done(self, output: Path) -> dict[str, Any] | None:
        """What is known of the finished stage; None where it is not finished."""
        return _read_json(self.folder(output) / DONE)

    def filled(self, output: Path) -> tuple[list[list[str]], dict[str, str]]:
        """Commands and files as they stand when they run."""
        places = {
            "here": shown(self.folder(output)),
            "output": shown(output),
            "python": sys.executable,
            "bin": str(Path(sys.executable).parent),
        }

        def fill(text: str) -> str:
            return re.sub(r"\{(here|output|python|bin)\}", lambda found: places[found[1]], text)

        commands = [[fill(part) for part in command] for command in self.commands]
        return commands, {name: fill(text) for name, text in self.files.items()}

    def has_product(self, output: Path) -> bool:
        """Whether the last command has come to its end."""
        path = self.folder(output) / self.product
        return _read_json(path) is not None if path.suffix == ".json" else path.exists()


def as_shell(command: Sequence[str]) -> str:
    """A command as one would type it, from the project's root."""
    return shlex.join(shown(Path(part)) if part.startswith(str(ROOT) + "/") else part for part in command)


def shown(path: Path) -> str:
    """A path as commands have it: from the project's root where it lies within, else from the top."""
    path = path.absolute()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


@lru_cache(maxsize=64)
def code_hash(pattern: str) -> str:
    """A hash of the files that ``pattern`` finds from the project's root: of their names and contents."""
    found = hashlib.sha256()
    for path in sorted(ROOT.glob(pattern)):
        if not path.is_file() or path.suffix == ".pyc":
            continue
        found.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:KEY_LENGTH]


@lru_cache(maxsize=8)
def versions(libraries: tuple[str, ...]) -> dict[str, str]:
    """Versions of what is installed of ``libraries``, without the build's own mark (2.13.0+cpu)."""
    found = {}
    for name in libraries:
        try:
            found[name] = version(name).split("+")[0]
        except PackageNotFoundError:
            continue
    return found


def write_whole(path: Path, text: str) -> None:
    """Write ``path`` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
