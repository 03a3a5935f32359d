"""The same steps on many machines, as ``datatrove`` pipelines whose tasks can be killed and done twice."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.config import BuildConfig, ClusterOptions
from builder.errors import UserError
from builder.scale.finish import finish
from builder.scale.job import Job
from builder.scale.local import checked, run, showing
from builder.scale.work import build_shards, survey

EXECUTORS = ("local", "ray", "slurm")


def build_with(
    executor: str,
    output: str | Path,
    sources: Sequence[str],
    config: BuildConfig,
    cluster: ClusterOptions,
    *,
    overwrite: bool = False,
) -> Job:
    """As ``build``, with the tasks of a ``datatrove`` executor, one of ``EXECUTORS``.

    ``output`` is a place that all machines reach. With Slurm this returns once the jobs are submitted; with
    the others when all is done. Raises ``UserError`` where the engine is missing or a task fails.
    """
    if not (config.generator_url and config.scorer_url):
        raise UserError("an executor needs model servers that all its tasks reach: give --llm http://…")
    if config.store is None:
        # SQLite and network file systems do not go together; what a lost node had asked is asked again.
        config = replace(config, store=str(Path(tempfile.gettempdir()) / "repo2agent" / "answers.sqlite"))
    job = Job(output, config)
    with _engine(executor):
        job.start(sources, overwrite=overwrite)
        if executor == "slurm":
            _submit(job, cluster)
            return job
        _execute(executor, job, cluster, "survey", _Survey(job))
        checked(job)
        with showing(job):
            _execute(executor, job, cluster, "build", _Build(job))
        finish(job)
    return job


def _execute(executor: str, job: Job, cluster: ClusterOptions, name: str, step: Any) -> None:
    from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor

    tasks = _num_tasks(job, cluster, name)
    shared = {"tasks": tasks, "workers": cluster.at_once or tasks, "logging_dir": _logs(job, name, tasks)}
    if executor == "local":
        LocalPipelineExecutor([step], **shared).run()
        return
    import ray

    if not ray.is_initialized():
        places = (cluster.at_once or cluster.tasks) * cluster.cpus_per_task
        # Tasks wait for servers most of the time: on a machine alone, they may outnumber its cores.
        here: dict[str, Any] = (
            {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": places, "include_dashboard": False}
        )
        ray.init(log_to_driver=False, **here)
    limits = {"cpus_per_task": cluster.cpus_per_task, "mem_per_cpu_gb": cluster.memory_per_cpu}
    RayPipelineExecutor([step], **shared, **limits).run()


def _submit(job: Job, cluster: ClusterOptions) -> None:
    """Write the four jobs, each of which waits for the one before, and submit them."""
    from datatrove.executor import SlurmPipelineExecutor

    if not shutil.which("sbatch"):
        raise UserError(
            "no sbatch here: submit from a machine of the cluster, or use --executor local or ray"
        )
    if not cluster.partition:
        raise UserError("Slurm wants a partition: give --cluster.partition NAME (sinfo lists them)")
    before = None
    steps = {"survey": _Survey(job), "choose": _Choose(job), "build": _Build(job), "finish": _Finish(job)}
    for name, step in steps.items():
        tasks = _num_tasks(job, cluster, name)
        before = SlurmPipelineExecutor(
            [step],
            tasks=tasks,
            workers=cluster.at_once or -1,
            time=cluster.time,
            partition=cluster.partition,
            qos=cluster.qos,
            cpus_per_task=cluster.cpus_per_task,
            mem_per_cpu_gb=cluster.memory_per_cpu,
            env_command=cluster.environment or f"export PATH={Path(sys.executable).parent}:$PATH",
            sbatch_args=dict(cluster.sbatch),
            job_name=f"repo2agent-{name}",
            logging_dir=_logs(job, name, tasks),
            depends=before,
            skip_completed=name in ("survey", "build"),
            with_srun=False,
        )
    assert before is not None
    before.run()


def _num_tasks(job: Job, cluster: ClusterOptions, step: str) -> int:
    if step == "survey":
        return min(cluster.tasks, job.num_chunks())
    return cluster.tasks if step == "build" else 1


def _logs(job: Job, step: str, tasks: int) -> str:
    return f"{job.place.url.rstrip('/')}/.build/datatrove/{step}-{tasks}"


class _Step:
    """A step of the pipeline: what ``datatrove`` calls with a task's rank. No documents go through it."""

    def __init__(self, job: Job) -> None:
        self._url, self._config = str(job.place.local or job.place.url), job.config

    def __call__(self, data: Any, rank: int, world_size: int) -> Any:
        self.work(Job(self._url, self._config), rank, world_size)
        return data

    def work(self, job: Job, rank: int, world_size: int) -> None:
        raise NotImplementedError


class _Survey(_Step):
    def work(self, job: Job, rank: int, world_size: int) -> None:
        run(survey(job, [chunk for chunk in job.unsurveyed() if chunk % world_size == rank]))


class _Choose(_Step):
    def work(self, job: Job, rank: int, world_size: int) -> None:  # noqa: ARG002
        checked(job)


class _Build(_Step):
    def work(self, job: Job, rank: int, world_size: int) -> None:
        run(build_shards(job, job.deal(range(job.totals()["num_shards"]), world_size)[rank]))


class _Finish(_Step):
    def work(self, job: Job, rank: int, world_size: int) -> None:  # noqa: ARG002
        finish(job)


@contextlib.contextmanager
def _engine(executor: str) -> Iterator[None]:
    if executor not in EXECUTORS:
        raise UserError(f"no executor {executor}; there are {', '.join(EXECUTORS)}")
    try:
        import datatrove  # noqa: F401

        if executor == "ray":
            import ray  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the executor {executor} needs {error.name}: pip install 'repo2agent[scale]'"
        ) from None
    yield
