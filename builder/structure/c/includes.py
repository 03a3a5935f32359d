"""C and C++ includes resolved to files in the order in which compilers search.

The form with quotes looks beside the including file first; then both forms take the include folders. Where
a ``compile_commands.json`` is part of the repository, these are known. Otherwise they are inferred, and an
include counts only if exactly one file fits: first among the folders that build files name, then among those
that are used by convention (see :func:`_conventional`). What several files fit, and what is computed by
macros, stays unresolved. A header of the system is never one of this repository by inference.

A source that includes the header of its own name implements it: that edge is a ``header-pair``. There is none
from the header to the source; a compiler needs none, and it would close a cycle.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from builder.repository import Repository
from builder.structure.c.roots import Search, compile_commands, declared
from builder.structure.languages import Facts, Found, Import, Links
from builder.structure.paths import normalised, parents

_SYSTEM_FOLDERS = {"sys", "linux", "asm", "net", "netinet", "arpa", "bits", "mach", "experimental"}
_SYSTEM = {
    "aio.h", "alloca.h", "arm_neon.h", "assert.h", "byteswap.h", "complex.h", "cpio.h", "cpuid.h",
    "ctype.h", "direct.h", "dirent.h", "dlfcn.h", "elf.h", "emmintrin.h", "endian.h", "errno.h",
    "execinfo.h", "fcntl.h", "features.h", "fenv.h", "float.h", "fmtmsg.h", "fnmatch.h", "ftw.h",
    "getopt.h", "glob.h", "grp.h", "iconv.h", "immintrin.h", "intrin.h", "inttypes.h", "io.h", "iso646.h",
    "langinfo.h", "libgen.h", "libintl.h", "limits.h", "link.h", "locale.h", "malloc.h", "math.h",
    "memory.h", "monetary.h", "mqueue.h", "ndbm.h", "netdb.h", "nl_types.h", "nmmintrin.h", "paths.h",
    "pmmintrin.h", "poll.h", "process.h", "pthread.h", "pty.h", "pwd.h", "regex.h", "resolv.h", "sched.h",
    "search.h", "semaphore.h", "setjmp.h", "signal.h", "smmintrin.h", "spawn.h", "stdalign.h", "stdarg.h",
    "stdatomic.h", "stdbit.h", "stdbool.h", "stdckdint.h", "stddef.h", "stdint.h", "stdio.h",
    "stdio_ext.h", "stdlib.h", "stdnoreturn.h", "string.h", "strings.h", "stropts.h", "sysexits.h",
    "syslog.h", "tar.h", "termios.h", "tgmath.h", "threads.h", "time.h", "tmmintrin.h", "trace.h",
    "uchar.h", "ulimit.h", "unistd.h", "utime.h", "utmp.h", "utmpx.h", "values.h", "wait.h", "wchar.h",
    "wctype.h", "windows.h", "winsock2.h", "wmmintrin.h", "wordexp.h", "ws2tcpip.h", "x86intrin.h",
    "xmmintrin.h",
}  # fmt: skip
_HEADERS = (".h", ".hh", ".hpp", ".hxx", ".h++")
_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".c++")


def link(facts: Mapping[str, Facts], repository: Repository) -> Links:
    """Resolve every include of ``facts``."""
    resolver = _Resolver(repository)
    found = Found()
    for path, known in facts.items():
        for wanted in known.imports:
            target = resolver.resolve(path, wanted)
            if target is None:
                found.unresolved.add((path, wanted.module))
            elif not target:
                found.external.add(_name(wanted))
            else:
                found.edge(path, target, "header-pair" if _is_pair(path, target) else "include")
    return found.links()


class _Resolver:
    def __init__(self, repository: Repository) -> None:
        self._paths = {file.path for file in repository.files}
        self._searches = compile_commands(repository)
        every = (search for searches in self._searches.values() for search in searches)
        self._every_search = tuple(dict.fromkeys(every))
        self._declared = declared(repository)

    def resolve(self, path: str, wanted: Import) -> str | None:
        """The file meant, ``""`` if it is from outside, ``None`` if that cannot be told."""
        name, is_quoted = _name(wanted), wanted.module.startswith('"')
        if not is_quoted and not wanted.module.startswith("<"):
            return None
        if name.startswith("/"):
            return ""
        if is_quoted and wanted.name != "next":
            beside = normalised(path.rpartition("/")[0], name)
            if beside in self._paths:
                return beside
        return self._in_folders(path, name, is_quoted, wanted.name == "next")

    def _in_folders(self, path: str, name: str, is_quoted: bool, is_next: bool) -> str | None:
        if self._every_search:
            # A header that no call names is read in all of them.
            searches = self._searches.get(path, self._every_search)
            found = self._searched(searches, name, is_quoted, path if is_next else "")
        elif is_next or _is_system(name, is_quoted):
            return ""  # what steps over a folder, when the folders are not known, is meant for the system
        else:
            found = self._inferred(path.rpartition("/")[0], name, is_quoted)
        if len(found) == 1:
            return next(iter(found))
        return None if found or is_quoted else ""

    @functools.cache  # noqa: B019 - a resolver lives for one call of `link`
    def _searched(
        self, searches: tuple[Search, ...], name: str, is_quoted: bool, after: str
    ) -> frozenset[str]:
        """What the compiler calls find, each its first one, or its first one after the file ``after``."""
        found = set()
        for search in searches:
            hits = self._hits((*search.quote, *search.angle) if is_quoted else search.angle, name)
            if after in hits:
                hits = hits[hits.index(after) + 1 :]
            found.update(hits[:1])
        return frozenset(found)

    @functools.cache  # noqa: B019
    def _inferred(self, folder: str, name: str, is_quoted: bool) -> frozenset[str]:
        hits = self._hits(self._declared_for(folder), name)
        return frozenset(hits or self._hits(_conventional(folder, name, is_quoted), name))

    def _hits(self, folders: tuple[str, ...], name: str) -> list[str]:
        hits = (normalised(folder, name) for folder in folders)
        return [hit for hit in hits if hit is not None and hit in self._paths]

    @functools.cache  # noqa: B019
    def _declared_for(self, folder: str) -> tuple[str, ...]:
        around = (folder, *parents(folder))
        return tuple(root for home in dict.fromkeys(around) for root in self._declared.get(home, ()))


def _conventional(folder: str, name: str, is_quoted: bool) -> tuple[str, ...]:
    """Folders that hold headers by convention, for a file in ``folder``.

    For each folder around the file: its ``include``; for the form with quotes also itself and its ``src``.
    For the form with angles the folder itself counts if the file lies in the folder that ``name`` begins
    with: a project that calls its own headers by its name.
    """

    def places() -> Iterator[str]:
        top = name.partition("/")[0] if "/" in name else None
        for around in dict.fromkeys((folder, *parents(folder))):
            prefix = f"{around}/" if around else ""
            yield f"{prefix}include"
            if is_quoted:
                yield f"{prefix}src"
            if is_quoted or (top and f"{folder}/".startswith(f"{prefix}{top}/")):
                yield around

    return tuple(places())


def _is_system(name: str, is_quoted: bool) -> bool:
    top, slash, _ = name.partition("/")
    if slash:
        return not is_quoted and top in _SYSTEM_FOLDERS
    return name in _SYSTEM or "." not in name


def _is_pair(path: str, target: str) -> bool:
    source, header = path.rpartition("/")[2], target.rpartition("/")[2]
    stem, dot, suffix = source.rpartition(".")
    return (
        header.startswith(f"{stem}.")
        and f"{dot}{suffix}".lower() in _SOURCES
        and header[len(stem) :].lower() in _HEADERS
    )


def _name(wanted: Import) -> str:
    return wanted.module.strip('"<> \t').replace("\\", "/")
