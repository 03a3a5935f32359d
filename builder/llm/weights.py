"""Where a model's weights lie on this machine, and what tells one set of them from another."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

DESCRIBING = frozenset({".safetensors", ".bin", ".json", ".jinja", ".model"})


def revision_of(model: str) -> str:
    """The revision of ``model`` (a directory or a Hub id), as far as this machine can tell; else empty.

    Of a directory that is a digest of its weights: a model that is trained further in its place is another
    one. Reads all of it.
    """
    directory = Path(model)
    if not directory.is_dir():
        return ""
    if directory.parent.name == "snapshots" and re.fullmatch("[0-9a-f]{40}", directory.name):
        return directory.name  # the Hub's own cache
    digest = hashlib.sha256()
    for file in sorted(directory.iterdir()):
        if file.suffix in DESCRIBING and file.is_file():
            with file.open("rb") as stream:
                digest.update(file.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


def local_weights(model: str, revision: str = "") -> Path | None:
    """The directory with the safetensors of ``model``: itself, or in the Hub's cache. Fetches nothing."""
    directory = Path(model)
    if not directory.is_dir():
        from huggingface_hub import snapshot_download

        try:
            directory = Path(snapshot_download(model, revision=revision or None, local_files_only=True))
        except (OSError, ValueError):  # not in the cache, or no id at all
            return None
    complete = (directory / "config.json").is_file() and any(directory.glob("*.safetensors"))
    return directory if complete else None
