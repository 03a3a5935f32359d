"""A release on an npm registry as a source: its tarball."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from builder.errors import UserError
from builder.repository.package import Download, Package

if TYPE_CHECKING:
    from packageurl import PackageURL

_PUBLIC = "https://registry.npmjs.org"
_MAX_METADATA = 100_000_000  # bytes; a package with thousands of releases has ten million
_TIMEOUT = 60  # seconds without a byte
# The form of metadata that npm itself asks for when it installs.
_ACCEPT = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"
_NAME = re.compile(r"[A-Za-z0-9~_-][A-Za-z0-9._~-]*")
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_ALGORITHMS = ("sha512", "sha384", "sha256", "sha1")  # the strongest that is given counts, as for npm


class Npm(Package):
    """A tarball, from the registry that npm's own configuration names.

    That is ``npm_config_registry`` in the environment, else ``@SCOPE:registry`` or ``registry`` in the
    user's ``.npmrc``. The hash that the registry states is always checked.
    """

    type = "npm"
    form = "pkg:npm/NAME@VERSION or pkg:npm/%40SCOPE/NAME@VERSION, with ?checksum=sha256:HEX to pin its bytes"
    folder = "npm"

    def look_up(self) -> Download:
        registry = _registry(self.url.namespace or "")
        name = "/".join(filter(None, (self.url.namespace, self.url.name)))
        release = self._release(f"{registry}/{quote(name, safe='@')}")
        dist = release.get("dist")
        if not isinstance(dist, dict) or not isinstance(dist.get("tarball"), str):
            raise UserError(f"{self.url}: the registry names no tarball of it")
        hashes = _hashes(dist)
        if not hashes:
            raise UserError(f"{self.url}: the registry states no hash of its tarball")
        tarball = _on_registry(dist["tarball"], registry)
        headers = {"Accept-Encoding": "identity"}  # the very bytes that were hashed
        return Download(f"{self.url.name}-{self.url.version}.tgz", lambda: _chunks(tarball, headers), hashes)

    def _release(self, address: str) -> dict[str, Any]:
        import json

        import httpx2

        data = bytearray()
        try:
            for chunk in _chunks(address, {"Accept": _ACCEPT}):
                data += chunk
                if len(data) > _MAX_METADATA:
                    raise UserError(f"{self.url}: its metadata is larger than {_MAX_METADATA} bytes")
        except httpx2.HTTPStatusError as error:
            if error.response.status_code != 404:
                raise
            release = None
        else:
            release = json.loads(data).get("versions", {}).get(self.url.version)
        if not isinstance(release, dict):
            raise UserError(
                f"{self.url}: no such version on the npm registry; check name and version, or give an archive"
            )
        return release

    @classmethod
    def check(cls, url: PackageURL) -> str:
        scope = url.namespace or "@a"
        if scope[0] != "@" or not _NAME.fullmatch(scope[1:]) or not _NAME.fullmatch(url.name):
            return "not the name of an npm package"
        if url.version and not _VERSION.fullmatch(url.version):
            return f"{url.version!r} is not one exact version"
        return ""


def _registry(scope: str) -> str:
    """The registry of a scope (``""`` for none), without a slash at its end."""
    settings = {}
    file = Path(os.environ.get("NPM_CONFIG_USERCONFIG") or "~/.npmrc").expanduser()
    if file.is_file():
        for line in file.read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition("=")
            settings[name.strip()] = os.path.expandvars(value.strip().strip("\"'"))
    found = (
        settings.get(f"{scope}:registry")
        or os.environ.get("npm_config_registry")  # noqa: SIM112 - npm's own spelling
        or os.environ.get("NPM_CONFIG_REGISTRY")
        or settings.get("registry")
        or _PUBLIC
    )
    if not found.startswith(("https://", "http://")):
        raise UserError(
            f"{found}: not the URL of an npm registry; set npm_config_registry to an https:// one"
        )
    return found.rstrip("/")


def _on_registry(tarball: str, registry: str) -> str:
    """``tarball`` on the registry in use where it lies on the public one: mirrors copy metadata unchanged."""
    parts, public, ours = urlsplit(tarball), urlsplit(_PUBLIC), urlsplit(registry)
    if parts.netloc == public.netloc:
        return urlunsplit((ours.scheme, ours.netloc, ours.path + parts.path, parts.query, ""))
    return tarball


def _hashes(dist: dict[str, Any]) -> dict[str, str]:
    """The strongest hash that the registry states (subresource integrity, or SHA-1 for old releases)."""
    stated = {"sha1": str(dist["shasum"]).lower()} if dist.get("shasum") else {}
    for entry in str(dist.get("integrity") or "").split():
        algorithm, _, digest = entry.partition("?")[0].partition("-")
        try:
            stated[algorithm] = base64.b64decode(digest, validate=True).hex()
        except binascii.Error:
            continue
    strongest = next((name for name in _ALGORITHMS if name in stated), "")
    return {strongest: stated[strongest]} if strongest else {}


def _chunks(address: str, headers: dict[str, str]) -> Iterator[bytes]:
    import ssl

    import httpx2

    # The system's certificates, as npm and pip are set up to use where a proxy stands between.
    context = ssl.create_default_context()
    with (
        httpx2.Client(follow_redirects=True, timeout=_TIMEOUT, verify=context) as client,
        client.stream("GET", address, headers=headers) as response,
    ):
        response.raise_for_status()
        yield from response.iter_bytes(1 << 16)
