"""A tar or zip archive as a source: read in place, nothing is ever unpacked to disk."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from builder.errors import UserError
from builder.repository.globs import ATTRIBUTES
from builder.repository.names import is_archive, split_version
from builder.repository.reading import Entry, Limits

_COMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
# What a damaged or hostile archive makes the standard library raise.
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
    NotImplementedError, RuntimeError, OverflowError, MemoryError, KeyError, IndexError,
)  # fmt: skip


class Archive:
    """The files in the archive at ``source``; a single folder around all of them is dropped."""

    fetched = False

    @classmethod
    def accepts(cls, source: str) -> bool:
        return Path(source).is_file()

    def __init__(self, source: str, cache: Path | None = None) -> None:  # noqa: ARG002 - nothing to download
        self.path = Path(source)
        name, self.version = split_version(self.path.name)
        self.identity = f"local/{name}"

    def revision(self) -> str:
        return self.version

    def fingerprint(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def entries(self, limits: Limits) -> Iterator[Entry]:
        try:
            if zipfile.is_zipfile(self.path):
                with zipfile.ZipFile(self.path) as archive:
                    yield from _without_top_folder(_zip_entries(archive))
                return
            with _decompressed(self.path) as file, _tar(file, limits) as tar:
                yield from _without_top_folder(_tar_entries(tar, self.path.name, limits))
        except _DAMAGE as error:
            hint = "" if is_archive(self.path.name) else "; give a directory, an archive (.tar.gz, .zip)"
            hint += " or a package URL (pkg:pypi/NAME@VERSION)" if hint else ""
            raise UserError(f"{self.path}: not an archive that can be read ({error}){hint}") from None


class _Bounded:
    """A seekable stream that fails at ``limit`` bytes.

    tarfile reads extended headers whole, whatever size they claim, and skips members by seeking, which in a
    compressed file means decompressing: both are where bombs go off.
    """

    _MAX_READ = 64 * 1024 * 1024

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file, self._limit = file, limit

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self._MAX_READ:
            raise tarfile.ReadError(f"a header that claims {size} bytes")
        self._check(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, position: int) -> int:
        self._check(position)
        return self._file.seek(position)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, position: int) -> None:
        if not 0 <= position <= self._limit:
            raise tarfile.ReadError(f"unpacks to more than {self._limit} bytes")


def _decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        magic = file.read(6)
    for prefix, opener in _COMPRESSED.items():
        if magic.startswith(prefix):
            return opener(path, "rb")
    return path.open("rb")


def _tar(file: IO[bytes], limits: Limits) -> tarfile.TarFile:
    return tarfile.open(fileobj=_Bounded(file, limits.max_unpacked_bytes), mode="r:")  # type: ignore[call-overload]


def _tar_entries(tar: tarfile.TarFile, name: str, limits: Limits) -> list[Entry]:
    members: list[tarfile.TarInfo] = []
    for member in tar:
        if len(members) == limits.max_entries:
            raise UserError(f"{name}: more than {limits.max_entries} entries")
        if not member.isdir():
            members.append(member)
    return [_tar_entry(tar, member) for member in members]


def _tar_entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    obstacle = ""
    if member.issym():
        obstacle = "symbolic link"
    elif member.islnk():
        obstacle = "hard link"
    elif not member.isreg() or member.issparse():
        obstacle = "special file"
    return Entry(member.name, obstacle, member.size, partial(_read, lambda: tar.extractfile(member)))


def _zip_entries(archive: zipfile.ZipFile) -> list[Entry]:
    return [_zip_entry(archive, info) for info in archive.infolist() if not info.is_dir()]


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    mode, obstacle = info.external_attr >> 16, ""
    if stat.S_ISLNK(mode):
        obstacle = "symbolic link"
    elif stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        obstacle = "special file"
    elif info.flag_bits & 1:
        obstacle = "encrypted"
    return Entry(info.filename, obstacle, info.file_size, partial(_read, lambda: archive.open(info)))


def _read(opener: Callable[[], IO[bytes] | None], limit: int) -> bytes:
    try:
        with opener() or open(os.devnull, "rb") as file:  # noqa: PTH123
            return file.read(limit)
    except _DAMAGE as error:
        raise OSError(str(error)) from None


def _without_top_folder(entries: Iterable[Entry]) -> Iterator[Entry]:
    entries = [_plain(entry) for entry in entries]
    tops = {entry.path.partition("/")[0] if "/" in entry.path else "" for entry in entries}
    cut = len(tops.pop()) + 1 if len(tops) == 1 and "" not in tops and tops.isdisjoint({".", ".."}) else 0
    for entry in sorted(entries, key=lambda entry: entry.path[cut:] != ATTRIBUTES):
        yield Entry(entry.path[cut:], entry.obstacle, entry.size, entry.read)


def _plain(entry: Entry) -> Entry:
    path = entry.path
    while path.startswith("./"):
        path = path[2:]
    return Entry(path, entry.obstacle, entry.size, entry.read)
