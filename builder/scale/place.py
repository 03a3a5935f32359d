"""A folder on any fsspec path, in which files appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from builder.errors import UserError


class Place:
    """The folder at ``url``: a path on this machine, or anything that fsspec opens (``s3://…``, ``hf://…``).

    Raises ``UserError`` in one line where it cannot be read or written.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        from fsspec.core import url_to_fs
        from fsspec.implementations.local import LocalFileSystem

        self.url = os.fspath(url)
        try:
            self._fs, root = url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise UserError(f"{self.url}: not a place that can be opened ({error})") from None
        self._root = root.rstrip("/")
        self.local = Path(root) if isinstance(self._fs, LocalFileSystem) else None

    def exists(self, name: str) -> bool:
        with self.errors():
            return bool(self._fs.exists(self._path(name)))

    def names(self, folder: str) -> list[str]:
        """What lies in ``folder``, sorted, without the folder's own name; nothing where there is none."""
        with self.errors():
            self._fs.invalidate_cache(self._path(folder))
            try:
                found = self._fs.ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return []
            return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def read(self, name: str) -> bytes:
        with self.errors():
            return bytes(self._fs.cat_file(self._path(name)))

    def lines(self, name: str) -> Iterator[str]:
        """The lines of a text, one by one."""
        with self.errors(), self._fs.open(self._path(name), "rt", encoding="utf-8") as file:
            yield from file

    def write(self, name: str, data: bytes | str) -> None:
        with self.new_file(name) as path:
            path.write_bytes(data.encode() if isinstance(data, str) else data)

    def write_once(self, name: str, data: str) -> str:
        """Write ``name`` unless another process was first; returns what stands there."""
        if not self.exists(name):
            with self.errors(), self._temporary() as path:
                path.write_text(data, encoding="utf-8")
                if self.local is None:
                    self._fs.put_file(str(path), self._path(name))
                else:
                    (self.local / name).parent.mkdir(parents=True, exist_ok=True)
                    with contextlib.suppress(FileExistsError):
                        os.link(path, self.local / name)
        return self.read(name).decode()

    @contextlib.contextmanager
    def new_file(self, name: str) -> Iterator[Path]:
        """A path on this machine to write to; afterwards it is ``name``, all at once.

        An object store shows an object when its upload is complete; here the file is renamed.
        """
        with self.errors(), self._temporary() as path:
            yield path
            if self.local is None:
                self._fs.put_file(str(path), self._path(name))
            else:
                target = self.local / name
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all that is in it, if there is one."""
        with self.errors(), contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._path(name), recursive=True)

    def copy_to(self, folder: Path, *names: str) -> None:
        """Copy files or folders of this place to one of this machine."""
        with self.errors():
            for name in names:
                self._fs.get(self._path(name), str(folder / name), recursive=True)

    def clean(self) -> None:
        """Remove what processes that were killed left half written; call it where no other is at work."""
        if self.local is not None:
            shutil.rmtree(self.local / _HALF, ignore_errors=True)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what the file system says into one line."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
            raise UserError(
                f"{self.url}: cannot be used ({reason}); free some space or choose another output, then "
                "start again: nothing that was done is lost"
            ) from error

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        """A name for a new file: on the same file system, so that renaming it is all that is left to do."""
        if self.local is None:
            with tempfile.TemporaryDirectory() as folder:
                yield Path(folder) / "file"
            return
        path = self.local / _HALF / uuid.uuid4().hex
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


_HALF = ".build/half"
