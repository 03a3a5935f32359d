"""Builds of any size: surveyed, chosen, cut into shards, and gone on with wherever they were interrupted."""

from builder.scale.cluster import EXECUTORS, build_with
from builder.scale.job import Job
from builder.scale.local import build, prepare, run, showing
from builder.scale.progress import BudgetReached
from builder.scale.work import build_shards

__all__ = [
    "EXECUTORS",
    "BudgetReached",
    "Job",
    "build",
    "build_shards",
    "build_with",
    "prepare",
    "run",
    "showing",
]
