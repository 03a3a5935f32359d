"""Sharing a built dataset on the Hub."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from builder.errors import UserError
from builder.hub.card import CARD, LICENSE, OPTIONS, PLOT, write_card

# The Hub asks for no more: it checks each within the 60 seconds that a request may take
# (https://huggingface.co/docs/hub/storage-limits).
FILES_PER_COMMIT = 100
# Sent side by side; then the progress bar moves.
_FILES_PER_UPLOAD, _BYTES_PER_UPLOAD = 8, 1 << 28
_ROWS = re.compile(r"data/[\w.-]+/(?:train|validation|test)-\d{5,}-of-\d{5,}\.parquet")
_BESIDE = (PLOT, LICENSE, OPTIONS, CARD)  # the card last: what it speaks of is there by then
_AGAIN = "run it again to go on: what has arrived is not sent again"


def publish(folder: Path, name: str, *, private: bool = True) -> str:
    """Push the built ``folder`` to the dataset ``name`` (user/name) on the Hub; returns its URL.

    Pushed are the parquet files, the card with its plot and licence file, and the options of the build;
    nothing else in the folder. Files that are there already are not sent again, whether a commit holds them
    or an upload broke before it; parquet files that the folder no longer has are removed. Where all is the
    same, there is no commit. There are at most ``FILES_PER_COMMIT`` files to a commit, removals first, so
    that a reader in between misses rows but sees none twice. What is there loads with stock
    ``load_dataset(name, config)``.

    A dataset that is new becomes private, unless ``private`` is False. One that is there keeps what it is: if
    that is public, publishing with ``private`` is refused; if it is private, it is made public at the end.
    Raises ``UserError`` for all that goes wrong.
    """
    if reason := unfinished(folder):
        raise UserError(f"{folder}: {reason}")
    if not (folder / CARD).exists():
        write_card(folder)
    files = _files(folder)
    from huggingface_hub import HfApi

    api = HfApi()
    with _errors(name, api.endpoint):
        url = api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
        info = api.repo_info(url.repo_id, repo_type="dataset")
        if private and info.private is False:
            raise UserError(
                f"{name}: is public on the Hub; publish with --public, or make it private in its settings"
            )
        _push(api, url.repo_id, files)
        if not private and info.private:
            api.update_repo_settings(url.repo_id, repo_type="dataset", private=False)
    return str(url)


def unfinished(folder: Path) -> str:
    """Why the build that wrote ``folder`` is not complete, and what to do; "" for one that is."""
    if not any(_ROWS.fullmatch(path.relative_to(folder).as_posix()) for path in folder.glob("data/*/*")):
        return "not a built dataset; give the folder that `repo2agent build --output` wrote"
    build, done = folder / ".build", len(list((folder / ".build" / "done").glob("*.json")))
    if (build / "job.json").exists():
        chosen = build / "chosen.json"
        total = json.loads(chosen.read_text(encoding="utf-8"))["num_shards"] if chosen.exists() else None
        if done != total:
            return f"{done} of {total or '?'} shards are built; run the same `repo2agent build` to its end"
    return ""


def _files(folder: Path) -> dict[str, Path]:
    """What is pushed, by its path there. ``UserError`` for a link in its place: it could lead anywhere."""
    rows = sorted(path.relative_to(folder).as_posix() for path in folder.glob("data/*/*.parquet"))
    files = {path: folder / path for path in rows if _ROWS.fullmatch(path)}
    files |= {path: folder / path for path in _BESIDE if (folder / path).exists()}
    for path, place in files.items():
        parents = [folder / parent for parent in Path(path).parents][:-1]
        if any(part.is_symlink() for part in (place, *parents)) or not place.is_file():
            raise UserError(f"{place}: a link, or no file; only files of the folder itself are published")
    return files


def _push(api: Any, repo_id: str, files: Mapping[str, Path]) -> None:
    """Bring the dataset to where it has exactly ``files``, as far as the rows and what goes with them."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repo_id, repo_type="dataset", recursive=True)
    there = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    gone = [path for path in there if path not in files and (_ROWS.fullmatch(path) or path == PLOT)]
    changed = [path for path, place in files.items() if not _same(place, there.get(path))]
    operations = [
        *(CommitOperationDelete(path, is_folder=False) for path in sorted(gone)),
        *(CommitOperationAdd(path, files[path]) for path in changed),
    ]
    commits = list(_batched(operations, FILES_PER_COMMIT))
    total = sum(files[path].stat().st_size for path in changed)
    bar = tqdm(desc=f"publishing {len(changed)} files", total=total, unit="B", unit_scale=True)
    with bar, _without_their_bars():
        for number, commit in enumerate(commits, 1):
            additions = [operation for operation in commit if isinstance(operation, CommitOperationAdd)]
            for some in _uploads(additions):
                api.preupload_lfs_files(repo_id, some, repo_type="dataset")
                bar.update(sum(addition.upload_info.size for addition in some))
            part = f" ({number} of {len(commits)})" if len(commits) > 1 else ""
            api.create_commit(
                repo_id,
                commit,
                repo_type="dataset",
                commit_message=f"Upload trajectories built with repo2agent{part}",
            )


def _batched(things: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(things)
    while some := list(islice(rest, size)):
        yield some


def _uploads(additions: Iterable[Any]) -> Iterator[list[Any]]:
    some: list[Any] = []
    for addition in additions:
        some.append(addition)
        total = sum(one.upload_info.size for one in some)
        if len(some) == _FILES_PER_UPLOAD or total >= _BYTES_PER_UPLOAD:
            yield some
            some = []
    if some:
        yield some


@contextmanager
def _without_their_bars() -> Iterator[None]:
    """The client shows a bar for every file, which leaves nothing to be seen of the whole."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _same(place: Path, there: Any) -> bool:
    """Whether the file that is ``there`` has the bytes of the one at ``place``."""
    if there is None or there.size != place.stat().st_size:
        return False
    if there.lfs is not None:
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == there.lfs.sha256
    data = place.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == there.blob_id  # as git names it


@contextmanager
def _errors(name: str, endpoint: str) -> Iterator[None]:
    """What the Hub or the way to it has against an upload, as ``UserError``."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except HFValidationError as error:
        raise UserError(f"{name}: not a name that the Hub takes (user/name): {_line(error)}") from None
    except HfHubHTTPError as error:
        raise UserError(_refused(name, endpoint, error)) from None
    except ValueError as error:
        raise UserError(f"{endpoint}: the Hub does not take {name}: {_line(error)}") from None
    except (httpx2.HTTPError, OSError, RuntimeError) as error:
        # The client's RuntimeError says which file, its cause why.
        cause = error.__cause__ if isinstance(error, RuntimeError) else error
        if isinstance(cause, HfHubHTTPError):
            raise UserError(_refused(name, endpoint, cause)) from None
        if not isinstance(cause, (httpx2.HTTPError, OSError)):
            raise
        raise UserError(
            f"{endpoint}: the Hub could not be reached for {name}, or the connection broke ({_line(cause)}); "
            f"{_AGAIN}"
        ) from None


def _refused(name: str, endpoint: str, error: Any) -> str:
    status = error.response.status_code if error.response is not None else None
    said = _line(error.server_message or error)
    if status == 401:
        return f"{endpoint}: no account to push {name} with; run `hf auth login` or set HF_TOKEN"
    if status == 403:
        return (
            f"{name}: no right to write there ({said}); see `hf auth whoami` and the permissions of the token"
        )
    if status == 404:
        return f"{name}: the Hub knows no such user, organisation or dataset ({said}); check the name"
    if status in (409, 412):
        return f"{name}: changed by somebody else meanwhile ({said}); run it again to go on"
    return f"{endpoint}: the Hub refused {name} ({said}); {_AGAIN}"


def _line(error: object) -> str:
    return " ".join(str(error).split())[:300]
