"""The ``datasets`` face: ``load_dataset("./builder", "repo2agent-search", repos=[…])``."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets

from builder.cache import cache_home
from builder.config import BuildConfig, from_dict
from builder.errors import UserError
from builder.pipeline import serving
from builder.repository import expand, fingerprint
from builder.rows import BUILDABLE_CONFIGS, CONFIGS, SPLITS, built_files, features_of
from builder.scale import Job, build_shards, prepare, run, showing

_PER_SHARD = 4  # repositories: shards are what `num_proc` divides


@dataclass
class TrajectoriesConfig(datasets.BuilderConfig):
    """A config of the dataset: what to build it from, and how.

    Attributes:
        repos: Directories, archives, package URLs (``pkg:pypi/NAME@VERSION``), git URLs, datasets of code,
            manifests, or globs of them. Without any, the rows that lie in the folder are read.
        build: ``BuildConfig``, or its fields as a dict.
        llm: Shorthands for the fields of ``build`` that are set most often.
        generator: As ``llm``.
        scorer: As ``llm``.
        seed: As ``llm``.
    """

    repos: list[str] = field(default_factory=list)
    build: BuildConfig | dict[str, Any] = field(default_factory=BuildConfig)
    llm: str | list[str] | None = None
    generator: str | list[str] | None = None
    scorer: str | list[str] | None = None
    seed: int | None = None

    def build_config(self) -> BuildConfig:
        """``build`` with the shorthands laid over it."""
        base = from_dict(self.build) if isinstance(self.build, dict) else self.build
        shorthands = {name: getattr(self, name) for name in ("llm", "generator", "scorer", "seed")}
        return replace(base, **{name: value for name, value in shorthands.items() if value is not None})

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features=None) -> str:
        """As ``datasets`` does it, with the content of the sources: a changed file is built anew."""
        content = [fingerprint(source) for source in expand(self.repos)] or [
            fingerprint(str(path)) for path in built_files(Path(__file__).parent, self.name)
        ]
        return super().create_config_id({**config_kwargs, "content": content}, custom_features)


class Trajectories(datasets.GeneratorBasedBuilder):
    """Builds one row a repository, or reads the rows that have been built into the folder."""

    BUILDER_CONFIG_CLASS = TrajectoriesConfig
    BUILDER_CONFIGS = [TrajectoriesConfig(name=name) for name in CONFIGS]  # noqa: RUF012 (datasets' interface)
    DEFAULT_CONFIG_NAME = CONFIGS[0]

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description="Source repositories turned back into the work that made them.",
            features=features_of(self.config.name),
        )

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """As ``datasets`` does it; a model server started on the way serves all workers and then stops."""
        with ExitStack() as self._servers:
            super().download_and_prepare(*args, **kwargs)
        if (job := getattr(self, "_job", None)) is not None:
            shutil.rmtree(job.place.url, ignore_errors=True)  # its rows are in the cache of `datasets` now

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_servers": None}  # workers use the server, this process owns it

    def _split_generators(self, _dl_manager: Any) -> list[datasets.SplitGenerator]:
        splits: dict[str, list[Any]] = {split: [] for split in SPLITS}
        if self.config.repos:
            if self.config.name not in BUILDABLE_CONFIGS:
                raise UserError(f"{self.config.name} is made by a build of many; read a built folder")
            job = self._prepared()
            self._job = Job(job.place.url, self._servers.enter_context(serving(job.config)))
            for shard in range(self._job.totals()["num_shards"]):
                for split in self._job.splits(shard):
                    splits[split].append(shard)
        else:
            for path in built_files(Path(self.base_path or "."), self.config.name):
                splits[path.name.partition("-")[0]].append(str(path))
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"shards": shards, "split": split})
            for split, shards in splits.items()
            if shards  # an empty split cannot be read
        ]

    def _prepared(self) -> Job:
        """The build of this config, in the cache, so that it goes on where it was interrupted."""
        config = replace(self.config.build_config(), configs=(self.config.name,))
        size = min(config.repositories_per_shard, _PER_SHARD)
        name = hashlib.sha256(f"{self.config_id} {self.hash}".encode()).hexdigest()[:16]
        job = Job(cache_home() / "builds" / name, replace(config, repositories_per_shard=size))
        prepare(job, self.config.repos)
        return job

    def _generate_examples(self, shards: list[Any], split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if self.config.repos:
            with showing(self._job):
                run(build_shards(self._job, shards))
        for shard in shards:
            path = self._job.file(self.config.name, split, shard) if self.config.repos else shard
            for number, row in enumerate(datasets.Dataset.from_parquet(path) if Path(path).exists() else ()):
                yield f"{shard}:{number}", row
