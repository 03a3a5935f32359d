"""What releases on package registries have in common: a pinned archive, downloaded once and never built."""

from __future__ import annotations

import hashlib
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from builder.cache import cache_home
from builder.errors import FatalError, UserError
from builder.repository.archive import Archive
from builder.repository.reading import Entry, Limits, not_kept

if TYPE_CHECKING:
    from packageurl import PackageURL

MAX_DOWNLOAD = 500_000_000  # bytes
ATTEMPTS = 4
PAUSE = 1.0  # seconds before the second attempt; it doubles from one to the next
T = TypeVar("T")


@dataclass(frozen=True)
class Download:
    """An archive as a registry offers it: how to get its bytes, and the hashes they must have."""

    filename: str
    chunks: Callable[[], Iterable[bytes]]
    hashes: dict[str, str] = field(default_factory=dict)  # algorithm: lower-case hex


class Package(ABC):
    """The release that a package URL (purl) names. Downloads stay in the cache, by their hash."""

    type: ClassVar[str]
    form: ClassVar[str]
    folder: ClassVar[str]  # in the cache
    fetched = True

    @classmethod
    def accepts(cls, source: str) -> bool:
        kind = source[4:].lstrip("/").partition("/")[0].lower()
        return source.startswith("pkg:") and kind == cls.type

    def __init__(self, source: str, cache: Path | None = None) -> None:
        self.url = self._parse(source)
        self.identity = _without_version(self.url)
        self.cache = cache or cache_home()

    def revision(self) -> str:
        return self.url.version or ""

    def fingerprint(self) -> str:
        return self.url.to_string()

    def entries(self, limits: Limits) -> Iterator[Entry]:
        return Archive(str(self.download())).entries(limits)

    def download(self) -> Path:
        """The archive on disk: from the cache, else from the registry.

        Raises :class:`UserError` where there is none, its bytes cannot be had or a hash differs, and
        :class:`FatalError` where the registry itself cannot be reached: no other package could be had either.
        """
        if not self.url.version:
            raise UserError(f"{self.url}: no version in it; write {self.form}")
        pinned = _checksum(self.url)
        name = "+".join(filter(None, (self.url.namespace, f"{self.url.name}-{self.url.version}")))
        folder = self.cache / self.folder / name
        for path in sorted(folder.glob(f"{pinned or '*'}/*")):
            if _sha256(path) == path.parent.name:
                return path
        offered = None
        try:
            offered = _patiently(self.look_up)
            return _patiently(lambda: self._keep(offered, folder, pinned))
        except UserError:
            raise
        except OSError as error:
            raise not_kept(self.cache, error) from None
        except Exception as error:  # unearth's client raises whatever its HTTP library does
            reason = " ".join(str(error).split()) or type(error).__name__
            if offered is None and _passing(error):
                raise FatalError(
                    f"{self.url}: the package registry does not answer ({reason}); what has been read so far "
                    "is kept: start again once it does"
                ) from None
            raise UserError(f"{self.url}: the package registry could not be read ({reason})") from None

    @abstractmethod
    def look_up(self) -> Download:
        """What the registry offers under this name and version; ``UserError`` where it has none."""

    @classmethod
    @abstractmethod
    def check(cls, url: PackageURL) -> str:
        """What is wrong with the names in ``url``, or ``""``."""

    @classmethod
    def _parse(cls, source: str) -> PackageURL:
        from packageurl import PackageURL

        try:
            url = PackageURL.from_string(source)
        except ValueError as error:
            raise UserError(f"{source}: not a package URL ({error}); write {cls.form}") from None
        if wrong := cls.check(url):
            raise UserError(f"{source}: {wrong}; write {cls.form}")
        return url

    def _keep(self, offered: Download, folder: Path, pinned: str) -> Path:
        expected = {**offered.hashes, **({"sha256": pinned} if pinned else {})}
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            size = 0
            for chunk in offered.chunks():
                size += len(chunk)
                if size > MAX_DOWNLOAD:
                    raise UserError(f"{self.url}: larger than {MAX_DOWNLOAD} bytes")
                file.write(chunk)
            file.flush()
            for algorithm, digest in expected.items():
                found = _hash(Path(file.name), algorithm)
                if found != digest:
                    raise UserError(
                        f"{self.url}: checksum mismatch: expected {algorithm}:{digest}, "
                        f"got {algorithm}:{found}"
                    )
            # The final name is made of the content, so two processes can only ever write the same file.
            target = folder / _sha256(Path(file.name)) / offered.filename
            target.parent.mkdir(exist_ok=True)
            target.unlink(missing_ok=True)
            os.link(file.name, target)
        return target


def _patiently(ask: Callable[[], T]) -> T:
    """``ask`` again, a few times, where the network fails for a reason that may pass."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

    return Retrying(
        retry=retry_if_exception(_passing),
        wait=wait_exponential(PAUSE),
        stop=stop_after_attempt(ATTEMPTS),
        reraise=True,
    )(ask)


def _passing(error: BaseException) -> bool:
    """Whether nobody answers, or not now: of httpx's errors, whichever of its packages they come from."""
    if any(kind.__name__ == "TransportError" for kind in type(error).__mro__):
        return True
    return getattr(getattr(error, "response", None), "status_code", None) in (429, 502, 503, 504)


def _without_version(url: PackageURL) -> str:
    from packageurl import PackageURL

    return PackageURL(url.type, url.namespace, url.name).to_string()


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


def _sha256(path: Path) -> str:
    return _hash(path, "sha256")


def _hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
