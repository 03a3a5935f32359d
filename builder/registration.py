"""The one place that touches private parts of ``datasets``: ``load_dataset("./builder")`` finds the builder.

Loading scripts are gone since ``datasets`` 4.0; a folder is read as the data files it holds. After
``import builder`` this very folder is built by ``builder.trajectories`` instead. Tested against the version
in constraints.txt.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parent
_MODULE = "datasets.load"


def register() -> None:
    """Let ``datasets`` hand this folder, however its path is spelled, to the builder class.

    ``datasets`` takes two seconds to import, so this waits until somebody else imports it.
    """
    if module := sys.modules.get(_MODULE):
        _patch(module)
    elif not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())


class _AfterImport(MetaPathFinder):
    """Patches ``datasets.load`` as soon as it has been imported, and then is gone."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:  # noqa: ARG002
        if fullname != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_patch(module: Any) -> None:
            execute(module)
            _patch(module)

        spec.loader.exec_module = execute_and_patch  # type: ignore[method-assign]
        return spec


def _patch(load: Any) -> None:
    stock = load.LocalDatasetModuleFactory
    if getattr(stock, "builds_trajectories", False):
        return

    class LocalDatasetModuleFactory(stock):  # type: ignore[misc, valid-type]
        builds_trajectories = True

        def get_module(self) -> Any:
            if Path(self.path).resolve() != _FOLDER or self.data_files or self.data_dir:
                return super().get_module()
            options = {"base_path": str(_FOLDER), "dataset_name": "repo2agent"}
            return load.DatasetModule("builder.trajectories", _source_hash(), options)

    load.LocalDatasetModuleFactory = LocalDatasetModuleFactory


def _source_hash() -> str:
    """A hash of the package's own sources and prompts: what was cached by other code is built anew."""
    digest = hashlib.sha256()
    for path in sorted([*_FOLDER.rglob("*.py"), *_FOLDER.glob("agents/prompts/*.md")]):
        digest.update(path.relative_to(_FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
