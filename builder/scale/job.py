"""What a build is on disk: its sources, what became of them, and which shards are done.

    data/<config>/<split>-00000-of-00004.parquet   rows; each file appears whole
    .build/job.json                                what is built, and from what
    .build/sources/00000.json                      names of single repositories, in order
    .build/survey/00000.jsonl                      a record each: what it is, whether it stays
    .build/chosen/00000.jsonl                      the records of each shard's repositories
    .build/chosen.json                             how many shards; written last
    .build/left_out.jsonl                          the records of the others
    .build/spool/00000/0000012.json.gz             the finished repositories of an unfinished shard
    .build/done/00000.json                         a shard whose files are all in place

Every step can be done twice with the same outcome, so whoever is killed is simply started again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from builder.config import BuildConfig
from builder.errors import UserError
from builder.repository import expand
from builder.rows import BUILDABLE_CONFIGS, CONFIGS, DEFAULT_CONFIGS, split_of
from builder.scale.place import Place
from builder.selection import Record, choose

SURVEYED = 64  # sources in a file of the survey
_STATE = ".build"
# Who answers, how fast and at what price changes no row.
_NOT_OF_ROWS = (
    "llm",
    "generator",
    "scorer",
    "store",
    "concurrency",
    "patience",
    "workers",
    "budget",
    "prices",
)


class Job:
    """The build in the folder ``output``: one of ``sources`` with ``config``, fresh or to go on with.

    ``start`` it before anything else. Raises ``UserError`` where the folder holds a build of something else.
    """

    def __init__(self, output: str | Path, config: BuildConfig) -> None:
        if unknown := sorted(set(config.configs) - set(BUILDABLE_CONFIGS)):
            raise UserError(f"no config {', '.join(unknown)}; there are {', '.join(BUILDABLE_CONFIGS)}")
        self.place = Place(output)
        self.config = config
        self._totals: dict[str, Any] | None = None
        self.wanted = [name for name in BUILDABLE_CONFIGS if name in (config.configs or DEFAULT_CONFIGS)]

    def start(self, sources: Sequence[str], *, overwrite: bool = False) -> None:
        """Write down what there is to do, unless that has been done.

        What another build left of its survey gives way; its rows do so only for ``overwrite``.
        """
        known = self._known()
        if known is not None and not overwrite:
            different = _difference(known, self._described(sources, keep=False))
            if not different:
                return
            if self._begun():
                raise UserError(
                    f"{self.place.url}: holds a build of other {different}; give --overwrite to build anew, "
                    "or choose another output"
                )
        elif not overwrite and any(self.place.names(f"data/{config}") for config in CONFIGS):
            raise UserError(
                f"{self.place.url}: holds rows, and nothing of the build that wrote them; give --overwrite "
                "to replace them, or choose another output"
            )
        self.place.remove(_STATE)
        self._totals = None
        described = self._described(sources, keep=True)
        for config in CONFIGS:
            self.place.remove(f"data/{config}")
        self.place.write(f"{_STATE}/job.json", json.dumps(described, indent=1))

    def _described(self, sources: Iterable[str], *, keep: bool) -> dict[str, Any]:
        """What tells this build from others; writes down the names of its sources, to ``keep`` them."""
        digest, chunks, names = hashlib.sha256(), 0, expand(sources)
        while chunk := list(islice(names, SURVEYED)):
            for source in chunk:
                digest.update(f"{source}\0{_stamp(source, self.place.local)}\n".encode())
            if keep:
                self.place.write(f"{_STATE}/sources/{chunks:05}.json", json.dumps(chunk))
            chunks += 1
        if not chunks:
            raise UserError(
                "nothing to build: name a directory, an archive, a package URL (pkg:pypi/NAME@VERSION) or a "
                "manifest"
            )
        job = {"sources": digest.hexdigest(), "num_chunks": chunks, "options": row_options(self.config)}
        return json.loads(json.dumps(job))

    def _begun(self) -> bool:
        """Whether any repository is finished."""
        return any(self.place.names(f"{_STATE}/{folder}") for folder in ("spool", "done"))

    def _known(self) -> dict[str, Any] | None:
        name = f"{_STATE}/job.json"
        return json.loads(self.place.read(name)) if self.place.exists(name) else None

    # The survey.

    def unsurveyed(self) -> list[int]:
        """The chunks of sources that have not been looked at yet."""
        done = {int(name.partition(".")[0]) for name in self.place.names(f"{_STATE}/survey")}
        return [chunk for chunk in range(self.num_chunks()) if chunk not in done]

    def num_chunks(self) -> int:
        known = self._known()
        assert known is not None, "start the job first"
        return int(known["num_chunks"])

    def sources(self, chunk: int) -> list[str]:
        return json.loads(self.place.read(f"{_STATE}/sources/{chunk:05}.json"))

    def write_survey(self, chunk: int, records: Iterable[Record]) -> None:
        self.place.write(f"{_STATE}/survey/{chunk:05}.jsonl", _jsonl(records))

    def surveyed(self) -> Iterator[Record]:
        for name in self.place.names(f"{_STATE}/survey"):
            yield from self._records(f"{_STATE}/survey/{name}")

    def choose(self) -> None:
        """Decide which repositories stay, and cut them into shards."""
        if self.place.exists(f"{_STATE}/chosen.json"):
            return
        chosen: list[Record] = []
        left_out: list[Record] = []
        for record in choose(self.surveyed(), self.config.select):
            record = replace(record, sketch="")  # served its purpose
            (left_out if record.reason else chosen).append(record)
        size = self.config.repositories_per_shard
        shards = [chosen[first : first + size] for first in range(0, len(chosen), size)]
        for number, shard in enumerate(shards):
            self.place.write(f"{_STATE}/chosen/{number:05}.jsonl", _jsonl(shard))
        self.place.write(f"{_STATE}/left_out.jsonl", _jsonl(left_out))
        totals = {
            "num_shards": len(shards),
            "num_repositories": len(chosen),
            "num_code_bytes": sum(record.num_code_bytes for record in chosen),
            "num_left_out": len(left_out),
            "calls": [sum(record.num_code_files + 1 for record in shard) for shard in shards],
        }
        self.place.write(f"{_STATE}/chosen.json", json.dumps(totals))

    # The shards.

    def totals(self) -> dict[str, Any]:
        """``num_shards``, ``num_repositories``, ``num_code_bytes``, ``num_left_out`` of the choice.

        ``calls`` has a number for each shard that its calls are likely to go with.
        """
        if self._totals is None:  # once written it never changes
            self._totals = json.loads(self.place.read(f"{_STATE}/chosen.json"))
        return self._totals

    def chosen(self, shard: int) -> list[Record]:
        return list(self._records(f"{_STATE}/chosen/{shard:05}.jsonl"))

    def todo(self) -> list[int]:
        """The shards that are not done, those with most calls first: little is left for whoever ends last."""
        return self._by_calls(set(range(self.totals()["num_shards"])) - self.done())

    def _by_calls(self, shards: Iterable[int]) -> list[int]:
        calls = self.totals()["calls"]
        return sorted(shards, key=lambda shard: (-calls[shard], shard))

    def deal(self, shards: Iterable[int], number: int) -> list[list[int]]:
        """``shards`` in ``number`` parts of about as many calls: the same whoever asks."""
        calls = self.totals()["calls"]
        parts: list[list[int]] = [[] for _ in range(number)]
        load = [0] * number
        for shard in self._by_calls(shards):
            least = load.index(min(load))
            parts[least].append(shard)
            load[least] += calls[shard]
        return parts

    def splits(self, shard: int) -> set[str]:
        """The splits that rows of ``shard`` fall into."""
        config = self.config
        return {split_of(record.repository, config.validation, config.test) for record in self.chosen(shard)}

    def file(self, config: str, split: str, shard: int) -> str:
        """The parquet file of ``shard``, where it has rows of ``config`` in ``split``, as fsspec takes it."""
        return f"{self.place.url.rstrip('/')}/{self.file_name(config, split, shard)}"

    def file_name(self, config: str, split: str, shard: int) -> str:
        return f"data/{config}/{split}-{shard:05}-of-{self.totals()['num_shards']:05}.parquet"

    def not_chosen(self) -> Iterator[Record]:
        """What the choice left out."""
        yield from self._records(f"{_STATE}/left_out.jsonl")

    def left_out(self) -> Iterator[Record]:
        """What was left out, by the choice or when its turn came."""
        yield from self.not_chosen()
        for shard in sorted(self.done()):
            for record in self.outcome(shard)["left_out"]:
                yield Record(**record)

    def done(self) -> set[int]:
        """The shards whose files are all in place."""
        return {int(name.partition(".")[0]) for name in self.place.names(f"{_STATE}/done")}

    def outcome(self, shard: int) -> dict[str, Any]:
        """What came of a shard that is done: ``rows`` by config and split, and records ``left_out``."""
        return json.loads(self.place.read(f"{_STATE}/done/{shard:05}.json"))

    def sums(self) -> Counter[str]:
        """``num_repositories``, ``num_files``, ``num_raw_tokens``, ``num_tokens`` of what is done."""
        found: Counter[str] = Counter()
        for shard in self.done():
            found.update(self.outcome(shard)["sums"])
        return found

    def agreed(self, name: str, value: Any) -> Any:
        """What the processes of a build agree on: ``value`` of whoever came first, as JSON."""
        return json.loads(self.place.write_once(f"{_STATE}/{name}.json", json.dumps(value)))

    def _records(self, name: str) -> Iterator[Record]:
        for line in self.place.lines(name):
            yield Record(**json.loads(line))


def row_options(config: BuildConfig) -> dict[str, Any]:
    """The options that decide what the rows are, as plain values."""
    return {name: value for name, value in asdict(config).items() if name not in _NOT_OF_ROWS}


def _stamp(source: str, output: Path | None) -> str:
    """Changes when a local source does; others are named by what they hold. ``output`` may lie in it."""
    if not os.path.exists(source):  # noqa: PTH110 - a name may be no path at all
        return ""
    top, digest = os.path.abspath(source), hashlib.sha256()  # noqa: PTH100 - as what is compared with it
    paths = [top]
    for folder, below, names in os.walk(top):
        # What git keeps for itself changes when one looks at it.
        below[:] = sorted(n for n in below if n != ".git" and Path(folder, n) != output)
        paths += [os.path.join(folder, name) for name in sorted(names)]  # noqa: PTH118
    for path in paths if len(paths) == 1 else paths[1:]:
        with contextlib.suppress(OSError):  # gone again, or named too long: reading will meet it
            status = os.lstat(path)
            line = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _difference(known: dict[str, Any], job: dict[str, Any]) -> str:
    options = [name for name in job["options"] if known["options"].get(name) != job["options"][name]]
    return f"options ({', '.join(options)})" if options else "sources" if known != job else ""


def _jsonl(records: Iterable[Record]) -> str:
    return "".join(json.dumps(asdict(record)) + "\n" for record in records)
