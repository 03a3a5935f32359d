"""The one place that touches private parts of ``datasets``: ``load_dataset("./builder")`` finds the builder.

Loading scripts are gone since ``datasets`` 4.0; a folder is read as the data files it holds. After
``import builder`` this very folder is built by ``builder.trajectories`` instead. Tested against the version
in constraints.txt.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


def register() -> None:
    """Let ``datasets`` hand this folder, however its path is spelled, to the builder class."""
    from datasets import load

    stock = load.LocalDatasetModuleFactory
    if getattr(stock, "builds_trajectories", False):
        return

    class LocalDatasetModuleFactory(stock):  # type: ignore[misc, valid-type]
        builds_trajectories = True

        def get_module(self):
            if Path(self.path).resolve() != _FOLDER or self.data_files or self.data_dir:
                return super().get_module()
            return load.DatasetModule(
                "builder.trajectories",
                _source_hash(),
                {"base_path": str(_FOLDER), "dataset_name": "repo2agent"},
            )

    load.LocalDatasetModuleFactory = LocalDatasetModuleFactory


def _source_hash() -> str:
    """A hash of the package's own sources and prompts: what was cached by other code is built anew."""
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.rglob("*")):
        if path.suffix in (".py", ".md") and "data" not in path.parts:
            digest.update(path.relative_to(_FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
