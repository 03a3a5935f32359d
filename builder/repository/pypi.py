"""A release on a Python package index as a source: its source distribution."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from builder.errors import UserError
from builder.repository.package import Download, Package

if TYPE_CHECKING:
    from packageurl import PackageURL
    from unearth import Link, PackageFinder


class PyPI(Package):
    """A source distribution, found where pip would by its environment.

    That is ``PIP_INDEX_URL``, ``PIP_EXTRA_INDEX_URL``, ``PIP_FIND_LINKS`` and ``PIP_NO_INDEX``.
    """

    type = "pypi"
    form = "pkg:pypi/NAME@VERSION, with ?checksum=sha256:HEX to pin its bytes"
    folder = "sdists"

    def look_up(self) -> Download:
        finder = _finder(str(self.url.name))
        package = next(iter(finder.find_matches(f"{self.url.name}=={self.url.version}")), None)
        if package is None:
            _check_reachable(finder)
            raise UserError(
                f"{self.url}: no source distribution of that version on the package index; "
                "check name and version, or give an archive"
            )
        hashes = {name: value for name, value in (package.link.hashes or {}).items() if name == "sha256"}
        link = package.link
        return Download(Path(link.filename).name, lambda: _chunks(finder, link), hashes)

    @classmethod
    def check(cls, url: PackageURL) -> str:
        from packaging.version import InvalidVersion, Version

        if url.namespace or not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", url.name):
            return "not the name of a Python package"
        try:
            Version(url.version or "0")
        except InvalidVersion:
            return f"{url.version!r} is not a version"
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


def _check_reachable(finder: PackageFinder) -> None:
    """Raises what the HTTP library does where an index does not answer: to the finder it is merely empty."""
    for source in finder.sources:
        if source["type"] == "index":
            finder.session.get(source["url"])


def _chunks(finder: PackageFinder, link: Link) -> Iterator[bytes]:
    with finder.session.get_stream(link.url_without_fragment) as response:
        response.raise_for_status()
        yield from response.iter_bytes(1 << 16)
