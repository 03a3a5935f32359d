"""From what a user names to a :class:`Repository`: which source it is, and what of it stays."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from builder.errors import UserError
from builder.repository import filters, names
from builder.repository.archive import Archive
from builder.repository.attribution import Attribution
from builder.repository.decoding import decode
from builder.repository.directory import Directory
from builder.repository.git import Git
from builder.repository.globs import ATTRIBUTES, Attributes, Selection
from builder.repository.headers import all_of
from builder.repository.npm import Npm
from builder.repository.pypi import PyPI
from builder.repository.reading import Entry, Limits, Source
from builder.repository.rows import Rows
from builder.repository.secrets import redact
from builder.repository.types import Repository, SkippedFile, SourceFile

# Asked in turn; a new source is one file and its name here.
_SOURCES: tuple[type[Source], ...] = (PyPI, Npm, Git, Rows, Directory, Archive)
_FORMS = (
    "give a directory, an archive (.tar.gz, .zip), a package URL (pkg:pypi/NAME@VERSION, "
    "pkg:npm/NAME@VERSION) or a git URL (git+https://HOST/OWNER/NAME@REVISION)"
)
_NO_LIMITS = Limits()


def load(
    source: str | Path,
    limits: Limits = _NO_LIMITS,
    *,
    cache: Path | None = None,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
) -> Repository:
    """Read the repository at ``source``: a directory, an archive, a package or git URL, rows of a dataset.

    ``include`` and ``exclude`` are patterns as in ``.gitignore``: with the first, only what one of them
    covers stays; what the second covers never does. A root's ``.gitattributes`` may mark files as vendored
    or generated (``linguist-vendored``, ``linguist-generated``), or as not, over the rules of this room.

    Nothing of it is run, imported or installed, no symbolic link in it is followed, and no absolute path
    enters the result. ``cache`` holds downloads (default: ``$REPO2AGENT_CACHE`` or ``~/.cache/repo2agent``).
    Raises :class:`UserError` where there is nothing to read.
    """
    place = open_source(source, cache)
    files: dict[str, SourceFile] = {}
    skipped: dict[str, str] = {}
    attribution = Attribution()
    stated: dict[str, tuple[str, ...]] = {}  # licences that the source itself gives, by path
    attributes = Attributes()
    selection = Selection(include, exclude)
    for entry, data, reason in _read(place, limits):
        named = names.printable(entry.path)
        path = _impersonal(named)
        if path != named:
            reason = reason or "secret or address in name"
        decoded = None if reason else decode(data)
        if decoded is None:
            skipped.setdefault(path, reason or "binary")
            continue
        text, encoding = decoded
        attribution.add(entry.path, text)
        if entry.path in files:
            continue  # an archive may hold a name twice; the first stands
        if entry.path == ATTRIBUTES:
            attributes = Attributes(text)
        if reason := selection.reason(entry.path) or _not_own(entry.path, text, attributes):
            skipped.setdefault(entry.path, reason)
            continue
        if len(files) == limits.max_files:
            skipped.setdefault(entry.path, f"more than {limits.max_files} files")
            continue
        if entry.licenses:
            stated[entry.path] = entry.licenses
        content, redactions = redact(text)
        files[entry.path] = SourceFile(
            path=entry.path,
            content=content,
            encoding=encoding,
            num_bytes=len(data),
            original_sha256=hashlib.sha256(data).hexdigest(),
            redactions=redactions,
            boilerplate=filters.is_boilerplate(entry.path),
        )
    if not files:
        raise UserError(_nothing(source, skipped))
    included = tuple(_attributed(files[path], attribution, stated.get(path, ())) for path in sorted(files))
    return Repository(
        identity=_impersonal(place.identity),
        revision=place.revision() or _digest(included),
        license=attribution.license or all_of(sorted({name for names in stated.values() for name in names})),
        files=included,
        skipped=tuple(SkippedFile(path, skipped[path]) for path in sorted(skipped)),
    )


def identify(source: str | Path) -> str:
    """The project that ``source`` is a state of, whatever its version; no file is read.

    ``pkg:pypi/NAME`` for a package URL, ``HOST/OWNER/NAME`` for a git URL, ``OWNER/NAME`` (what the dataset
    says) for rows, ``local/NAME`` for a directory or an archive.
    """
    return _impersonal(open_source(source).identity)


def fingerprint(source: str | Path, limits: Limits = _NO_LIMITS) -> str:
    """A hash that changes whenever what :func:`load` would read does; a package URL stands for itself."""
    place = open_source(source)
    if known := place.fingerprint():
        return known
    digest = hashlib.sha256()
    for entry, data, reason in _read(place, limits):
        digest.update(f"{names.printable(entry.path)}\0{reason}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def shown(source: str | Path) -> str:
    """``source`` as it may be shown to others: a git URL without the name and password in it."""
    return re.sub(r"^(git\+https://)[^/]*@", r"\1", str(source))


def is_fetched(source: str | Path) -> bool:
    """Whether ``source`` names what others published, rather than files that the user has."""
    return open_source(source).fetched


def _impersonal(name: str) -> str:
    """A name or path with a placeholder for each secret and address in one of its parts."""
    # Each part on a line of its own: after a slash an address passes for a version or a host.
    return redact(name.replace("/", "\n"))[0].replace("\n", "/")


def open_source(source: str | Path, cache: Path | None = None) -> Source:
    """The place that ``source`` names; ``UserError`` where it has none of the forms or is not there."""
    text = str(source)
    for kind in _SOURCES:
        if kind.accepts(text):
            return kind(text, cache)
    if text.startswith("pkg:"):
        kind_of_package = text[4:].strip("/").partition("/")[0]
        if not kind_of_package:
            raise UserError(f"{text}: not a package URL; {_FORMS}")
        raise UserError(f"{text}: packages of type {kind_of_package!r} are not supported; {_FORMS}")
    if Path(text).exists():
        raise UserError(f"{text}: neither a directory nor a file; {_FORMS}")
    raise UserError(f"{text}: no such file or directory; {_FORMS}")


def _read(place: Source, limits: Limits) -> Iterator[tuple[Entry, bytes, str]]:
    """Every entry with its bytes, or with the reason why it is left out unread."""
    total = num_entries = 0
    attributes = Attributes()
    for entry in place.entries(limits):
        num_entries += 1
        if num_entries > limits.max_entries:
            raise UserError(f"{place.identity}: more than {limits.max_entries} entries")
        too_large = f"larger than {limits.max_file_bytes} bytes"
        folder = filters.left_out_folder(entry.path)
        if folder and attributes.get(entry.path, "vendored") is not False:
            yield Entry(folder.path), b"", folder.reason
        elif reason := entry.obstacle or names.defect(entry.path):
            yield entry, b"", reason
        elif entry.size > limits.max_file_bytes:
            yield entry, b"", too_large
        elif total >= limits.max_total_bytes:
            yield entry, b"", f"beyond the first {limits.max_total_bytes} bytes"
        else:
            try:
                data = entry.read(limits.max_file_bytes + 1)
            except OSError:
                yield entry, b"", "unreadable"
                continue
            total += len(data)
            reason = too_large if len(data) > limits.max_file_bytes else ""
            if entry.path == ATTRIBUTES and not reason:
                attributes = Attributes(data.decode("utf-8", "replace"))
            yield entry, b"" if reason else data, reason


def _attributed(file: SourceFile, attribution: Attribution, stated: tuple[str, ...]) -> SourceFile:
    license, copyrights = attribution.of(file.path, file.content)
    return replace(file, license=license or all_of(stated), attribution=copyrights)


def _not_own(path: str, text: str, attributes: Attributes) -> str:
    """Why a text is not the project's own: what its attributes say, else what it looks like."""
    if attributes.get(path, "vendored"):
        return "vendored"
    marked = attributes.get(path, "generated")
    return filters.generated(path, text) if marked is None else "generated" if marked else ""


def _nothing(source: str | Path, skipped: dict[str, str]) -> str:
    if not skipped:
        return f"{shown(source)}: no files in it; {_FORMS}"
    counts = Counter(skipped.values())
    return f"{shown(source)}: no text files in it; left out: " + ", ".join(
        f"{n} {reason}" for reason, n in counts.most_common()
    )


def _digest(files: tuple[SourceFile, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.original_sha256}\0".encode())
    return digest.hexdigest()[:12]
