"""Benchmarks' problems and solutions in the files of a repository, found by runs of words."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.errors import UserError
from builder.selection.lexing import shingles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Names, numbers and prose alike: what is left of code under any formatter. Newlines in strings are escaped.
_WORD = re.compile(rb"[a-z0-9_\x80-\xff]+")
_RUN = 8  # words
_FEWEST = 5  # runs, below which a passage is too short to stand for itself: 12 words
# Of a passage's runs that a file must have. Of 388 packages (180 MB) one file has more than a tenth of any.
# What a short solution says, others say too: it counts with its whole signature only.
_SHARE, _SHARE_OF_SHORT = 0.5, 0.95
_SHORT = 20  # words
_ENDING = (1 << 20) - 1  # of a hash, to pass quickly over those that stand in no benchmark
_DOCSTRING = re.compile(r'("""|\'\'\')(.*?)(?:\1|\Z)', re.DOTALL)
_MAX_LIST = 500_000_000  # bytes


@dataclass(frozen=True)
class Passage:
    """Something that must not be trained on: the hashes of its runs of words, and how many tell it."""

    task: str
    runs: NDArray[np.uint64]
    share: float = _SHARE


@dataclass(frozen=True)
class _Known:
    """The passages laid out for one look-up a file."""

    tasks: list[str]  # of each passage
    enough: NDArray[np.float64]  # share of its runs by which each is told
    table: NDArray[np.uint64]  # every run once, sorted
    entries: NDArray[np.int64]  # each run of each passage, by its place in the table
    owners: NDArray[np.int64]  # and whose it is
    endings: NDArray[np.bool_]  # whether a hash ends like one of the table


class Benchmarks:
    """The passages of benchmarks, named (``humaneval``) or in files that a user gives."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)

    def find(self, text: str) -> str:
        """The task of which ``text`` holds a passage, as much as possible of it; ``""`` for none."""
        import numpy as np

        if not self._names:
            return ""
        known = self._known
        runs = runs_of(text)
        runs = runs[known.endings[runs & np.uint64(_ENDING)]]
        if not len(runs):
            return ""
        at = np.minimum(np.searchsorted(known.table, runs), len(known.table) - 1)
        found = np.zeros(len(known.table), bool)
        found[at[known.table[at] == runs]] = True
        sizes = np.bincount(known.owners)
        shares = np.bincount(known.owners[found[known.entries]], minlength=len(sizes)) / sizes
        shares[shares < known.enough] = 0
        best = int(shares.argmax())
        return known.tasks[best] if shares[best] else ""

    @cached_property
    def _known(self) -> _Known:
        import numpy as np

        passages = [passage for name in self._names for passage in _load(name)]
        table, entries = np.unique(
            np.concatenate([passage.runs for passage in passages]), return_inverse=True
        )
        endings = np.zeros(_ENDING + 1, bool)
        endings[table & np.uint64(_ENDING)] = True
        return _Known(
            tasks=[passage.task for passage in passages],
            enough=np.array([passage.share for passage in passages]),
            table=table,
            entries=entries,
            owners=np.repeat(np.arange(len(passages)), [len(passage.runs) for passage in passages]),
            endings=endings,
        )


def runs_of(text: str) -> NDArray[np.uint64]:
    """A hash (48 bits) for each run of words in ``text``."""
    import numpy as np

    words = _WORD.findall(text.replace("\\n", " ").lower().encode("utf-8", "surrogatepass"))
    return shingles(np.fromiter(map(zlib.crc32, words), np.uint64, len(words)), _RUN) >> np.uint64(16)


def problem(task: str, prompt: str, solution: str) -> Iterator[Passage]:
    """The passages of a problem as HumanEval states it: its docstring, its code, and all of it together.

    A file holds the code where it has most of it; all of it, with the signature, where that is short.
    """
    docstrings = list(_DOCSTRING.finditer(prompt))
    if docstrings:
        head = prompt[: docstrings[-1].start()]
        yield from _passage(task, docstrings[-1][2])
        is_short = len(_WORD.findall(solution.lower().encode())) < _SHORT
        code = head[max(head.rfind("def "), 0) :] + "\n" + solution
        yield from _passage(task, code, _SHARE_OF_SHORT if is_short else _SHARE)
    yield from _passage(task, prompt + "\n" + solution)


def packed(passage: Passage) -> str:
    """The runs of a passage in base64, six bytes each."""
    return base64.b64encode(passage.runs.astype("<u8").view("u1").reshape(-1, 8)[:, :6].tobytes()).decode()


def _passage(task: str, text: str, share: float = _SHARE) -> Iterator[Passage]:
    import numpy as np

    runs = np.unique(runs_of(text))
    if len(runs) >= _FEWEST:
        yield Passage(task, runs, share)


def _load(name: str) -> Iterator[Passage]:
    shipped = files("builder.selection") / "benchmarks" / f"{name}.jsonl"
    if re.fullmatch(r"[a-z0-9]+", name) and shipped.is_file():
        for line in shipped.read_text("utf-8").splitlines():
            entry = json.loads(line)
            yield from (Passage(entry["task"], _unpacked(runs), share) for share, runs in entry["passages"])
        return
    path = Path(name).expanduser()
    if not path.is_file():
        raise UserError(
            f"benchmarks: {name}: no such file; give `humaneval` or a file with one passage a line"
        )
    found = list(_listed(path))
    if not found:
        raise UserError(f"benchmarks: {name}: no passage of {_RUN + _FEWEST - 1} words or more in it")
    yield from found


def _unpacked(text: str) -> NDArray[np.uint64]:
    import numpy as np

    six = np.frombuffer(base64.b64decode(text), "u1").reshape(-1, 6)
    return np.ascontiguousarray(np.pad(six, ((0, 0), (0, 2)))).view("<u8").ravel()


def _listed(path: Path) -> Iterator[Passage]:
    """What a user's list holds: a passage on each line, or JSON objects with strings."""
    if path.stat().st_size > _MAX_LIST:
        raise UserError(f"benchmarks: {path}: larger than {_MAX_LIST} bytes")
    is_json = path.suffix in (".jsonl", ".ndjson", ".json")
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            task = f"{path.name}:{number}"
            if not is_json:
                yield from _passage(task, line)
            elif line.strip():
                try:
                    entry = json.loads(line)
                except (ValueError, RecursionError):
                    raise UserError(f"benchmarks: {path}: line {number} is no JSON") from None
                yield from _of_entry(task, entry)


def _of_entry(task: str, entry: Any) -> Iterator[Passage]:
    if not isinstance(entry, dict):
        entry = {"text": entry}
    task = str(entry.get("task_id") or entry.get("id") or task)[:200]
    texts = {key: value for key, value in entry.items() if isinstance(value, str)}
    if "prompt" in texts and "canonical_solution" in texts:
        yield from problem(task, texts.pop("prompt"), texts.pop("canonical_solution"))
    for text in texts.values():
        yield from _passage(task, text)
