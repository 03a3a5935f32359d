"""A directory as a source: a git checkout's tracked files, or everything in it."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from builder.repository.filters import left_out_folder
from builder.repository.globs import ATTRIBUTES, Attributes
from builder.repository.names import defect
from builder.repository.reading import Entry, Limits

_SPECIAL = {
    stat.S_IFLNK: "symbolic link",
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}
BUILD_MARK = ".build/job.json"  # a folder with this in it is a dataset that has been built
_GIT_TIMEOUT = 60  # seconds
_MAX_ATTRIBUTES = 1_000_000  # bytes


class Directory:
    """The files below ``source``. No symbolic link below it is followed and nothing in it is run."""

    fetched = False

    @classmethod
    def accepts(cls, source: str) -> bool:
        return Path(source).is_dir()

    def __init__(self, source: str, cache: Path | None = None) -> None:  # noqa: ARG002 - nothing to download
        self.root = Path(os.path.abspath(source))  # noqa: PTH100 - Path.absolute() keeps ".."
        self.identity = f"local/{self.root.name or 'root'}"

    def revision(self) -> str:
        return self._git("rev-parse", "--verify", "HEAD").decode("ascii", "replace").strip()

    def fingerprint(self) -> str:
        return ""

    def entries(self, limits: Limits) -> Iterator[Entry]:  # noqa: ARG002 - the reader counts
        """Everything below the root, folder by folder, each folder's names sorted.

        In a git checkout only what is tracked. The list from git is a filter on our own walk and no list of
        paths to open: a tracked ``a/b`` may stand on disk behind a symbolic link ``a``.
        """
        tracked = self._tracked()
        attributes = self._attributes()
        folders = [""]
        while folders:
            prefix = folders.pop()
            try:
                with os.scandir(self.root / prefix) as scan:
                    found = sorted(scan, key=lambda item: (prefix + item.name != ATTRIBUTES, item.name))
            except OSError:
                yield Entry(prefix, obstacle="unreadable folder")
                continue
            if prefix and any(item.name == "pyvenv.cfg" for item in found):
                yield Entry(prefix, obstacle="environment or cache")
                continue
            if prefix and os.path.isfile(self.root / prefix / BUILD_MARK):  # noqa: PTH113 - no path is too long
                yield Entry(prefix, obstacle="built dataset")
                continue
            below = []
            for item in found:
                path = prefix + item.name
                if item.is_dir(follow_symlinks=False):
                    entry = _folder(path, tracked, attributes)
                    if entry:
                        yield entry
                    elif tracked is None or path + "/" in tracked:
                        below.append(path + "/")
                elif tracked is None or path in tracked:
                    yield self._file(path, item)
            folders += reversed(below)

    def _file(self, path: str, item: os.DirEntry[str]) -> Entry:
        try:
            status = item.stat(follow_symlinks=False)
        except OSError:
            return Entry(path, obstacle="unreadable")
        if not stat.S_ISREG(status.st_mode):
            return Entry(path, obstacle=_SPECIAL.get(stat.S_IFMT(status.st_mode), "special file"))
        return Entry(path, size=status.st_size, read=partial(_read, self.root / path))

    def _attributes(self) -> Attributes:
        try:
            return Attributes(_read(self.root / ATTRIBUTES, _MAX_ATTRIBUTES).decode("utf-8", "replace"))
        except OSError:
            return Attributes()

    def _tracked(self) -> frozenset[str] | None:
        """Tracked files and, ending in ``/``, the folders around them; ``None`` where git can't say."""
        files = os.fsdecode(self._git("ls-files", "-z")).split("\0")
        folders = {path[: cut + 1] for path in files for cut, char in enumerate(path) if char == "/"}
        return frozenset(files).union(folders) if any(files) else None

    def _git(self, *command: str) -> bytes:
        """The output of a git command that only reads, ``b""`` where that fails.

        The checkout's own configuration must not make git run anything, and an empty ``.git`` must not make
        it ask the repository around this one: so the directories are named, which also settles ownership.
        """
        metadata = self.root / ".git"
        if metadata.is_symlink() or not metadata.exists():
            return b""
        settings = ["core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.untrackedCache=false"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_TERMINAL_PROMPT": "0",
        }
        options = [f"--git-dir={metadata}", f"--work-tree={self.root}", "--no-pager"]
        try:
            return subprocess.run(
                ["git", *options, *(part for setting in settings for part in ("-c", setting)), *command],
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_GIT_TIMEOUT,
                check=True,
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return b""


def _folder(path: str, tracked: frozenset[str] | None, attributes: Attributes) -> Entry | None:
    """The entry of a folder that is not walked into, or ``None``."""
    if tracked is not None and path in tracked:
        return Entry(path + "/", obstacle="git submodule")
    if tracked is not None and path + "/" not in tracked:
        return None
    if reason := defect(path + "/"):
        return Entry(path + "/", obstacle=reason)
    folder = left_out_folder(path + "/")
    if folder is None or (folder.reason == "vendored" and attributes.keeps_below(path)):
        return None
    return Entry(path + "/", obstacle=folder.reason)


def _read(path: Path, limit: int) -> bytes:
    """At most ``limit`` bytes of a regular file, whatever has taken its place since it was listed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        return file.read(limit)
