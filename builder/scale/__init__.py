"""Builds of any size: surveyed, chosen, cut into shards, and gone on with wherever they were interrupted."""

from builder.scale.cluster import EXECUTORS, build_with
from builder.scale.dry import DryModel, DryModels, Need, dry_models
from builder.scale.estimate import Estimate, Sample, draw, estimate
from builder.scale.forecast import Forecast
from builder.scale.job import Job
from builder.scale.local import build, prepare, run, showing
from builder.scale.plan import num_bytes, num_files, plan, sizes
from builder.scale.progress import BudgetReached
from builder.scale.work import build_shards

__all__ = [
    "EXECUTORS",
    "BudgetReached",
    "DryModel",
    "DryModels",
    "Estimate",
    "Forecast",
    "Job",
    "Need",
    "Sample",
    "build",
    "build_shards",
    "build_with",
    "draw",
    "dry_models",
    "estimate",
    "num_bytes",
    "num_files",
    "plan",
    "prepare",
    "run",
    "showing",
    "sizes",
]
