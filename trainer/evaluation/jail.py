"""Runs one program where it can do no harm; ``sandbox.py`` starts it as a process of its own.

The program gets namespaces of its own: no network, no other processes, and a root directory in memory that
holds the interpreter and the system's libraries, read-only, and one small folder to write to. It has no
privileges, cannot start processes, and its memory, CPU time and files are bounded. When its time is over, or
when whoever started this process dies, the kernel ends everything in there, and nothing is left: not even a
file to remove.

Standard library only, with ``ctypes`` for the system calls that Python 3.11 does not have. The argument is a
JSON object; the program comes on standard input. Exit status: 0, or ``REFUSED`` where the kernel grants no
such place, with the reason on standard error; in that case nothing has run.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import resource
import signal
import sys
from pathlib import Path

REFUSED = 97
NOBODY = 65534
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
MNT_DETACH = 2
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
SYS_MOUNT_SETATTR = 442  # the same number on every architecture
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(platform.machine())
# What an interpreter may need beside its own folder.
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/nix/store", "/etc/ld.so.cache")

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """A function of libc; ``OSError`` where it fails. Texts are paths."""
    encoded = [os.fsencode(value) if isinstance(value, str) else value for value in arguments]
    result = getattr(libc, name)(*encoded)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def enter_namespaces() -> None:
    """Leave the network, the processes and the mounts of the machine behind."""
    flags = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET
    try:
        call("unshare", flags)  # for root, who then becomes nobody
    except PermissionError:
        become_nobody()  # no limit on processes binds root
        uid, gid = os.geteuid(), os.getegid()
        call("unshare", flags | NEWUSER)
        for name, content in (
            ("setgroups", "deny"),
            ("uid_map", f"{NOBODY} {uid} 1"),
            ("gid_map", f"{NOBODY} {gid} 1"),
        ):
            Path(f"/proc/self/{name}").write_text(content)
    call("mount", None, "/", None, MS_REC | MS_PRIVATE, None)


def build_root(prefixes: list[str], size: int) -> None:
    """Make a directory in memory the root: what the interpreter needs, read-only, and an empty ``/work``."""
    # Covered by it, in this namespace alone; nothing that is needed may lie below.
    root = next(path for path in ("/tmp", "/mnt", "/run") if not any(p.startswith(path) for p in prefixes))
    call("mount", "tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},nr_inodes=4096,mode=755")
    for source in (*SYSTEM, *prefixes):
        target = root + source
        if not os.path.lexists(source) or os.path.lexists(target):
            continue
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        if Path(source).is_symlink():
            Path(target).symlink_to(Path(source).readlink())
            continue
        if Path(source).is_dir():
            Path(target).mkdir()
        else:
            Path(target).touch()
        call("mount", source, target, None, MS_BIND | MS_REC, None)
    Path(root, "work").mkdir()
    call(
        "mount", "tmpfs", root + "/work", "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},nr_inodes=256,mode=777"
    )
    os.chdir(root)
    call("syscall", SYS_PIVOT_ROOT, ".", ".")  # the old root now lies upon the new one
    call("umount2", ".", MNT_DETACH)
    os.chdir("/work")
    set_attributes("/", AT_RECURSIVE, add=ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV)
    set_attributes("/work", 0, remove=ATTR_RDONLY)


def set_attributes(path: str, flags: int, add: int = 0, remove: int = 0) -> None:
    attributes = (ctypes.c_uint64 * 4)(add, remove, 0, 0)
    call("syscall", SYS_MOUNT_SETATTR, AT_FDCWD, path, flags, attributes, ctypes.sizeof(attributes))


def become_nobody() -> None:
    """Root becomes a user who owns nothing; others stay who they are."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)  # else /proc/self would still be root's


def limit(limits: dict[str, int]) -> None:
    for name, value in {
        "CPU": limits["cpu_seconds"],
        "AS": limits["memory"],
        "FSIZE": limits["file_size"],
        "NOFILE": 32,
        "NPROC": 1,
        "CORE": 0,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
    }.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def run_inside(options: dict, alive: int, ready: int) -> None:
    """Process 1 of the namespaces becomes the program. Does not return.

    It reads the program from 0 and may write to 3; ``alive`` ends when the supervisor does.
    """
    try:
        os.setsid()  # else a signal to its process group would reach the supervisor
        null = os.open("/dev/null", os.O_RDWR)  # there is none where we go
        build_root(options["prefixes"], options["limits"]["file_size"])
        become_nobody()
        # What is left of capabilities, those in a user namespace, goes with `execve` and cannot come back.
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.set_blocking(alive, False)
        with contextlib.suppress(BlockingIOError):
            os.read(alive, 1)
            os._exit(1)
        limit(options["limits"])
        os.dup2(null, 1)
        os.dup2(null, 2)
        # `ready` closes with the call, which says that all went well.
        os.execve(options["command"][0], options["command"], {"LC_ALL": "C.UTF-8"})
    except BaseException as error:
        os.write(ready, f"{type(error).__name__}: {error}".encode()[:500])
        os._exit(REFUSED)


def main() -> int:
    options = json.loads(sys.argv[1])
    try:
        if SYS_PIVOT_ROOT is None:
            raise OSError(f"not written for {platform.machine()}")
        enter_namespaces()
    except OSError as error:
        sys.stderr.write(str(error))
        return REFUSED
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # becoming somebody else would take it back
    if os.getppid() != options["parent"]:
        return 1
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    os.dup2(1, 3)  # reserved: none of the pipes may become it
    alive, alive_write = os.pipe()
    ready, ready_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(alive_write)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        run_inside(options, alive, ready_write)
    os.close(ready_write)
    # Once process 1 is reaped, the kernel has ended all others of its namespace.
    if signal.sigtimedwait({signal.SIGCHLD}, options["limits"]["seconds"]) is None:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if refusal := os.read(ready, 500):
        sys.stderr.write(refusal.decode(errors="replace"))
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
