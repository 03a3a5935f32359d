"""A release on a Python package index as a source: its source distribution, downloaded and never built."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from builder.cache import cache_home
from builder.errors import UserError
from builder.repository.archive import Archive
from builder.repository.reading import Entry, Limits

if TYPE_CHECKING:
    from packageurl import PackageURL
    from unearth import Link, PackageFinder

_MAX_DOWNLOAD = 500_000_000  # bytes
_FORM = "pkg:pypi/NAME@VERSION, with ?checksum=sha256:HEX to pin its bytes"


class PyPI:
    """The release that a package URL (purl) names.

    Looks where pip would by its environment: ``PIP_INDEX_URL``, ``PIP_EXTRA_INDEX_URL``, ``PIP_FIND_LINKS``
    and ``PIP_NO_INDEX``. Downloads stay in the cache; a release pinned by checksum is asked for once.
    """

    @staticmethod
    def accepts(source: str) -> bool:
        return source.startswith("pkg:")

    def __init__(self, source: str, cache: Path | None = None) -> None:
        self.url = _parse(source)
        self.identity = f"pkg:pypi/{self.url.name}"
        self.cache = cache or cache_home()

    def revision(self) -> str:
        return self.url.version or ""

    def fingerprint(self) -> str:
        return self.url.to_string()

    def entries(self, limits: Limits) -> Iterator[Entry]:
        return Archive(str(self.download())).entries(limits)

    def download(self) -> Path:
        """The source distribution on disk: from the cache, else from the index.

        Raises :class:`UserError` where there is none, the network fails or the checksum differs.
        """
        if not self.url.version:
            raise UserError(f"{self.url}: no version in it; write {_FORM}")
        pinned = _checksum(self.url)
        folder = self.cache / "sdists" / f"{self.url.name}-{self.url.version}"
        for path in sorted(folder.glob(f"{pinned or '*'}/*")):
            if _sha256(path) == path.parent.name:
                return path
        try:
            return self._fetch(folder, pinned)
        except UserError:
            raise
        except Exception as error:  # unearth's client raises whatever its HTTP library does
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"{self.url}: the package index could not be read ({reason})") from None

    def _fetch(self, folder: Path, pinned: str) -> Path:
        finder = _finder(str(self.url.name))
        package = next(iter(finder.find_matches(f"{self.url.name}=={self.url.version}")), None)
        if package is None:
            raise UserError(
                f"{self.url}: no source distribution of that version on the package index; "
                "check name and version, or give an archive"
            )
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.writelines(_chunks(finder, package.link))
            file.flush()
            found = _sha256(Path(file.name))
            expected = pinned or (package.link.hashes or {}).get("sha256", found)
            if found != expected:
                raise UserError(
                    f"{self.url}: checksum mismatch: expected sha256:{expected}, got sha256:{found}"
                )
            # The final name is made of the content, so two processes can only ever write the same file.
            target = folder / found / Path(package.link.filename).name
            target.parent.mkdir(exist_ok=True)
            target.unlink(missing_ok=True)
            os.link(file.name, target)
        return target


def _parse(source: str) -> PackageURL:
    from packageurl import PackageURL
    from packaging.version import InvalidVersion, Version

    try:
        url = PackageURL.from_string(source)
    except ValueError as error:
        raise UserError(f"{source}: not a package URL ({error}); write {_FORM}") from None
    if url.type != "pypi":
        raise UserError(f"{source}: packages of type {url.type!r} are not supported; write {_FORM}")
    if url.namespace or not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", url.name):
        raise UserError(f"{source}: not the name of a Python package; write {_FORM}")
    try:
        Version(url.version or "0")
    except InvalidVersion:
        raise UserError(f"{source}: {url.version!r} is not a version; write {_FORM}") from None
    return url


def _checksum(url: PackageURL) -> str:
    """The SHA-256 that ``url`` demands, in lower-case hex, or ``""``."""
    listed = url.qualifiers.get("checksum", "") if isinstance(url.qualifiers, dict) else ""
    for entry in filter(None, listed.lower().split(",")):
        algorithm, _, digest = entry.partition(":")
        if algorithm == "sha256" and len(digest) == 64 and not set(digest) - set("0123456789abcdef"):
            return str(digest)
    if listed:
        raise UserError(f"{url}: checksum is not sha256:HEX with 64 hex digits")
    return ""


def _finder(name: str) -> PackageFinder:
    from unearth import PackageFinder

    def words(variable: str) -> list[str]:
        return os.environ.get(variable, "").split()

    finder = PackageFinder(index_urls=words("PIP_INDEX_URL"), no_binary=[name], ignore_compatibility=True)
    if words("PIP_NO_INDEX"):
        finder.sources.clear()
    for url in words("PIP_EXTRA_INDEX_URL"):
        finder.add_index_url(url)
    for url in words("PIP_FIND_LINKS"):
        finder.add_find_links(url)
    return finder


def _chunks(finder: PackageFinder, link: Link) -> Iterator[bytes]:
    size = 0
    with finder.session.get_stream(link.url_without_fragment) as response:
        response.raise_for_status()
        for chunk in response.iter_bytes(1 << 16):
            size += len(chunk)
            if size > _MAX_DOWNLOAD:
                raise UserError(f"{link.filename}: larger than {_MAX_DOWNLOAD} bytes")
            yield chunk


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
