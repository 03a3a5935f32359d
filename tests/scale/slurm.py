"""A Slurm cluster of one node on this machine, for the length of a context."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")
PARTITION = "here"


class CannotStart(Exception):
    """Slurm cannot run here, and why."""


@contextlib.contextmanager
def cluster(folder: Path, cores: int = 4) -> Iterator[dict[str, str]]:
    """Start ``munged``, ``slurmctld`` and ``slurmd``; gives the environment in which ``sbatch`` finds them.

    ``cores`` may be more than there are: tasks that wait for a server need none. Needs Debian's `slurm-wlm`
    and `munge`, and root; raises ``CannotStart`` where there is no cluster to be had.
    """
    path = os.environ["PATH"] + ":/usr/sbin"
    if missing := [name for name in PROGRAMS if shutil.which(name, path=path) is None]:
        raise CannotStart(f"no {', '.join(missing)} here (Debian: slurm-wlm, munge)")
    if os.geteuid() != 0:
        raise CannotStart("slurmd has to be started by root")
    host = socket.gethostname().partition(".")[0]
    configuration = folder / "slurm.conf"
    sock, key = folder / "munge.socket", folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    (ctld_port, d_port) = _free_ports(2)
    for name in ("state", "spool", "log"):
        (folder / name).mkdir()
    configuration.write_text(
        f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
AuthType=auth/munge
AuthInfo=socket={sock}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
ReturnToService=2
SchedulerParameters=defer,sched_interval=1,bf_interval=1,batch_sched_delay=0
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=4000 State=UNKNOWN
PartitionName={PARTITION} Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
SlurmdParameters=config_overrides
"""
    )
    environment = {**os.environ, "PATH": path, "SLURM_CONF": str(configuration)}
    options = ["--key-file", key, "--socket", sock, "--pid-file", folder / "munged.pid"]
    options += ["--log-file", folder / "munged.log", "--seed-file", folder / "munge.seed"]
    daemons = [["munged", "--foreground", "--force", *map(str, options)]]
    daemons += [
        ["slurmctld", "-D", "-c", "-f", str(configuration)],
        ["slurmd", "-D", "-f", str(configuration)],
    ]
    processes = []
    try:
        for daemon in daemons:
            with (folder / "log" / daemon[0]).open("wb") as log:
                processes.append(
                    subprocess.Popen(daemon, stdout=log, stderr=log, env=environment, start_new_session=True)
                )
            if daemon[0] == "munged":
                _wait(sock.exists, processes, folder)
        _wait(lambda: "idle" in _sinfo(environment), processes, folder)
        yield environment
    finally:
        subprocess.run(["scancel", "--user=root"], env=environment, capture_output=True, check=False)
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def wait_for_jobs(environment: dict[str, str], seconds: float) -> None:
    """Wait until no job is in the queue any more."""
    end = time.monotonic() + seconds
    while subprocess.run(["squeue", "-h"], env=environment, capture_output=True, check=True).stdout.strip():
        if time.monotonic() > end:
            queue = subprocess.run(["squeue"], env=environment, capture_output=True, text=True, check=False)
            raise TimeoutError(f"jobs are still in the queue:\n{queue.stdout}")
        time.sleep(0.5)


def _sinfo(environment: dict[str, str]) -> str:
    command = ["sinfo", "-h", "-o", "%T"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def _wait(ready, processes, folder: Path, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if any(process.poll() is not None for process in processes) or time.monotonic() > end:
            said = [f"{path.name}: {path.read_text()[-300:]}" for path in (folder / "log").iterdir()]
            raise CannotStart(" | ".join(" ".join(line.split()) for line in said))
        time.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
