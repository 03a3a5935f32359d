"""The ``datasets`` face: ``load_dataset("./builder", "repo2agent-search", repos=[…])``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets

from builder.config import BuildConfig, from_dict
from builder.errors import UserError
from builder.pipeline import identity_split, load_all, reconstruct_all, serving
from builder.repository import fingerprint
from builder.rows import BUILDABLE_CONFIGS, CONFIGS, SPLITS, built_files, features_of

# Rows are yielded after so many repositories, or two for each call in flight where those are more: few enough
# to keep memory flat, and enough to keep a server busy.
_BATCH = 16


@dataclass
class TrajectoriesConfig(datasets.BuilderConfig):
    """A config of the dataset: what to build it from, and how.

    Attributes:
        repos: Directories, archives or package URLs (``pkg:pypi/NAME@VERSION``). Without any, the rows that
            lie in the folder are read.
        build: ``BuildConfig``, or its fields as a dict.
        llm: Shorthands for the fields of ``build`` that are set most often.
        generator: As ``llm``.
        scorer: As ``llm``.
        seed: As ``llm``.
    """

    repos: list[str] = field(default_factory=list)
    build: BuildConfig | dict[str, Any] = field(default_factory=BuildConfig)
    llm: str | None = None
    generator: str | None = None
    scorer: str | None = None
    seed: int | None = None

    def build_config(self) -> BuildConfig:
        """``build`` with the shorthands laid over it."""
        base = from_dict(self.build) if isinstance(self.build, dict) else self.build
        shorthands = {name: getattr(self, name) for name in ("llm", "generator", "scorer", "seed")}
        return replace(base, **{name: value for name, value in shorthands.items() if value is not None})

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features=None) -> str:
        """As ``datasets`` does it, with the content of the sources: a changed file is built anew."""
        content = [fingerprint(source) for source in self.repos] or [
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

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_servers": None}  # workers use the server, this process owns it

    def _split_generators(self, _dl_manager: Any) -> list[datasets.SplitGenerator]:
        splits: dict[str, list[str]] = {split: [] for split in SPLITS}
        if self.config.repos:
            if self.config.name not in BUILDABLE_CONFIGS:
                raise UserError(f"{self.config.name} is made by a build of many; read a built folder")
            self._served = self._servers.enter_context(serving(self.config.build_config()))
            for source in self.config.repos:
                splits[identity_split(source, self.config.build_config())].append(source)
        else:
            for path in built_files(Path(self.base_path or "."), self.config.name):
                splits[path.name.partition("-")[0]].append(str(path))
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"sources": sources})
            for split, sources in splits.items()
            if sources  # an empty split cannot be read
        ]

    def _generate_examples(self, sources: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        if not self.config.repos:
            for path in sources:
                for number, row in enumerate(datasets.Dataset.from_parquet(path)):
                    yield f"{path}:{number}", row
            return
        number = 0
        size = max(_BATCH, 2 * self._served.concurrency)
        for first in range(0, len(sources), size):
            batch = sources[first : first + size]
            repositories = load_all(batch, alone=len(self.config.repos) == 1)
            for result in reconstruct_all(repositories, self._served, [self.config.name]):
                for row in result.of(self.config.name):
                    number += 1
                    yield f"{sources[0]}:{number}", row  # workers differ in their first source
