"""A git repository at a revision as a source: fetched through the ``git`` program, never checked out."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import IO
from urllib.parse import SplitResult, unquote, urlsplit

from builder.cache import cache_home
from builder.errors import FatalError, UserError
from builder.repository.globs import ATTRIBUTES
from builder.repository.reading import Entry, Limits, not_kept

_FORM = "git+https://HOST/OWNER/NAME@REVISION (or git+ssh://, git+file://)"
_SCHEMES = ("https", "ssh", "file")
_NO_REVISION = re.compile(r"[\s\0~^:?*\[\\]|\.\.|@\{|^[-/]")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAX_FETCH = 1_000_000_000  # bytes on disk
_TIMEOUT = 900  # seconds for one git command, whatever it does
_LIST_TIMEOUT = 60  # to ask what a server has
_MAX_LISTING = 256_000_000  # bytes of a tree's names
_OBSTACLES = {"120000": "symbolic link", "160000": "git submodule"}


class Git:
    """The tree of one commit. Hooks, filters, submodules, and configuration of any kind stay out of it.

    The commit's objects are fetched into a bare repository in the cache and its files read from there, as
    they were committed: nothing is written to a working tree. A name and password in the URL go to the server
    alone; identity and messages have the address without them.
    """

    fetched = True

    @classmethod
    def accepts(cls, source: str) -> bool:
        return source.startswith("git+")

    def __init__(self, source: str, cache: Path | None = None) -> None:
        parts = urlsplit(source.removeprefix("git+"))
        path, _, self.wanted = parts.path.rpartition("@") if "@" in parts.path else (parts.path, "", "")
        name = path.strip("/").removesuffix(".git")
        self.address = parts._replace(netloc=_public(parts), path=path, query="", fragment="").geturl()
        bad_host = parts.scheme != "file" and not re.fullmatch(r"[\w.-]+", parts.hostname or "")
        if parts.scheme not in _SCHEMES or bad_host or not name or parts.query or parts.fragment:
            raise UserError(f"git+{self.address}: not the URL of a git repository; write {_FORM}")
        if _NO_REVISION.search(self.wanted) or source.endswith("@"):
            raise UserError(f"git+{self.address}: {self.wanted!r} is not a revision; write {_FORM}")
        self._login = (unquote(parts.username or ""), unquote(parts.password or ""))
        self.scheme = parts.scheme
        # Where a repository lies on this machine is nobody's business; its name is.
        self.identity = (
            f"local/{name.rpartition('/')[2]}" if parts.scheme == "file" else (f"{parts.hostname}/{name}")
        )
        self.cache = cache or cache_home()

    def revision(self) -> str:
        return self.commit

    def fingerprint(self) -> str:
        return f"git+{self.address}@{self.commit}"

    def entries(self, limits: Limits) -> Iterator[Entry]:
        folder = self._fetched()
        listing = self._run(
            ["ls-tree", "-r", "-z", "-l", "--full-tree", self.commit], folder, max_bytes=_MAX_LISTING
        )
        entries = [_listed(line) for line in listing.split(b"\0") if line]
        if len(entries) > limits.max_entries:
            raise UserError(f"git+{self.address}: more than {limits.max_entries} entries")
        with _Blobs(self._command("cat-file", "--batch"), folder, self._environment) as blobs:
            for mode, name, size, path in sorted(
                entries, key=lambda entry: (entry[3] != ATTRIBUTES, entry[3])
            ):
                obstacle = _OBSTACLES.get(mode, "" if mode.startswith("100") else "special file")
                yield Entry(path, obstacle, size, partial(blobs.read, name))

    @cached_property
    def commit(self) -> str:
        """The hash of the commit that the URL names; a branch or tag is asked of the server."""
        if _COMMIT.fullmatch(self.wanted):
            return self.wanted
        wanted = self.wanted or "HEAD"
        listing = self._run(["ls-remote", "--", self.address], timeout=_LIST_TIMEOUT, max_bytes=_MAX_LISTING)
        refs: dict[str, str] = {}
        for line in listing.decode("utf-8", "replace").splitlines():
            found, _, ref = line.partition("\t")
            refs[ref] = found
        # As git itself reads a name; an annotated tag stands for the commit behind it.
        for ref in (wanted, f"refs/{wanted}", f"refs/tags/{wanted}", f"refs/heads/{wanted}"):
            if commit := refs.get(f"{ref}^{{}}") or refs.get(ref):
                return commit
        raise UserError(
            f"git+{self.address}: no branch or tag {wanted!r} there; check it, or give a commit's full hash"
        )

    def _fetched(self) -> Path:
        """The bare repository with the commit's objects, in the cache; complete or not there."""
        name = hashlib.sha256(self.address.encode()).hexdigest()[:20]
        folder = self.cache / "git" / name / self.commit
        if folder.is_dir():
            return folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as temporary:
                made = Path(temporary) / "git"
                self._fetch(made)
                try:
                    made.rename(folder)
                except OSError:
                    if not folder.is_dir():  # else another process was first, with the same
                        raise
        except OSError as error:
            raise not_kept(self.cache, error) from None
        return folder

    def _fetch(self, folder: Path) -> None:
        hashing = ["--object-format=sha256"] if len(self.commit) == 64 else []
        self._run(["init", "-q", "--bare", "--template=", *hashing, "--", str(folder)])
        common = ["fetch", "-q", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--force"]
        one = [*common, "--depth=1", "--", self.address, f"{self.commit}:refs/heads/fetched"]
        everything = [
            *common,
            "--",
            self.address,
            "+refs/heads/*:refs/all/heads/*",
            "+refs/tags/*:refs/all/tags/*",
        ]
        try:
            self._run(one, folder, transfers=True)
        except _GitFailed as refused:
            # Some servers give out the ends of branches only. Then everything is fetched, and it is among it.
            try:
                self._run(everything, folder, transfers=True)
                self._run(["cat-file", "-e", f"{self.commit}^{{commit}}"], folder)
            except _GitFailed:
                raise refused from None

    def _command(self, *command: str) -> list[str]:
        settings = {
            "core.hooksPath": os.devnull,
            "core.fsmonitor": "false",
            "core.askPass": "",
            "credential.helper": "",
            "protocol.ext.allow": "never",
            "gc.auto": "0",
            "maintenance.auto": "false",
            "fetch.recurseSubmodules": "false",
            "http.lowSpeedLimit": "1000",  # bytes a second, over so many seconds
            "http.lowSpeedTime": "60",
        }
        return ["git", *(part for item in settings.items() for part in ("-c", "=".join(item))), *command]

    @cached_property
    def _environment(self) -> dict[str, str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GIT_") or name in ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
        }
        environment |= {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": self.scheme,
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
            "LC_ALL": "C",
        }
        if self.scheme == "https" and any(self._login):
            # By the environment: arguments are everybody's to see.
            token = base64.b64encode(":".join(self._login).encode()).decode()
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{self.address}.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}",
            }
        return environment

    def _run(
        self,
        command: list[str],
        folder: Path | None = None,
        *,
        timeout: float = _TIMEOUT,
        max_bytes: int = 1_000_000,
        transfers: bool = False,
    ) -> bytes:
        """The output of a git command, bounded in time and size. ``_GitFailed`` with its last words."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                process = subprocess.Popen(
                    self._command(*([f"--git-dir={folder}"] if folder else []), *command),
                    env=self._environment,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise FatalError("git+…: the git program is not there; install it to read git URLs") from None
            try:
                self._wait(process, timeout, folder if transfers else None, out, max_bytes)
            finally:
                _end(process)
            out.seek(0)
            err.seek(0)
            if process.returncode:
                said = self._said(err)
                # What git met on the way here would be met by every other source.
                kind = FatalError if os.strerror(errno.ENOSPC) in said else _GitFailed
                raise kind(f"git+{self.address}: {said}")
            return out.read()

    def _wait(
        self, process: subprocess.Popen[bytes], timeout: float, folder: Path | None, out: IO[bytes], most: int
    ) -> None:
        end = time.monotonic() + timeout
        pause = 0.01
        while True:
            try:
                ended = process.wait(pause) is not None
            except subprocess.TimeoutExpired:
                ended, pause = False, min(2 * pause, 0.5)
            if time.monotonic() > end:
                raise UserError(f"git+{self.address}: git took longer than {timeout:.0f} seconds")
            if os.fstat(out.fileno()).st_size > most:
                raise UserError(f"git+{self.address}: git lists more than {most} bytes")
            if folder and _size(folder) > _MAX_FETCH:
                raise UserError(f"git+{self.address}: larger than {_MAX_FETCH} bytes")
            if ended:
                return

    def _said(self, err: IO[bytes]) -> str:
        """Why git failed, in one line without what is secret."""
        lines = err.read(20_000).decode("utf-8", "replace").splitlines()
        fatal = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines
        reason = " ".join(" ".join(fatal[:2]).split())[:300] or "git failed"
        for secret in filter(None, self._login):
            reason = reason.replace(secret, "…")
        return f"the repository could not be read ({reason})"


class _GitFailed(UserError):
    """git ended with an error: the server refused, or there is no such thing."""


class _Blobs:
    """Reads objects by hash through one ``git cat-file --batch``, which is ended after a bounded time."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [*command[:1], f"--git-dir={folder}", *command[1:]],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._timer = threading.Timer(_TIMEOUT, _end, [self._process])
        self._timer.daemon = True

    def __enter__(self) -> _Blobs:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _end(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def read(self, name: str, limit: int) -> bytes:
        """At most ``limit`` bytes of an object; ``OSError`` where it cannot be had."""
        given, taken = self._process.stdin, self._process.stdout
        assert given and taken
        given.write(f"{name}\n".encode())
        given.flush()
        header = taken.readline(1_000).split()
        if len(header) != 3 or header[1] != b"blob":
            raise OSError(f"{name}: not there")
        size = int(header[2])
        data = taken.read(min(limit, size))
        rest = size + 1 - len(data)  # a newline follows
        while rest:
            skipped = taken.read(min(rest, 1 << 20))
            if not skipped:
                raise OSError(f"{name}: cut short")
            rest -= len(skipped)
        return data


def _listed(line: bytes) -> tuple[str, str, int, str]:
    """Mode, hash, size and path of a line of ``ls-tree``."""
    facts, _, path = line.partition(b"\t")
    mode, _, name, size = facts.decode("ascii").split()
    return mode, name, int(size) if size.isdigit() else 0, os.fsdecode(path)


def _public(parts: SplitResult) -> str:
    """Host and port of a URL; the account of ssh belongs to the address, a password never does."""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.username}@{host}" if parts.scheme == "ssh" and parts.username else host


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:
            continue  # git renames what it has received
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends git and the helpers it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
