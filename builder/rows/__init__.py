"""Features, splits, loss policy, statistics, card and publishing of the built rows."""

from builder.rows.build import Provenance, raw_row, row_id, trajectory_row
from builder.rows.features import FEATURES, LOG_FEATURES
from builder.rows.inspect import inspect_row, print_summary
from builder.rows.publish import publish
from builder.rows.splits import SPLITS, split_of
from builder.rows.statistics import debugging, statistics
from builder.rows.write import CONFIGS, DEFAULT_CONFIGS, built_files, features_of, read_rows, write_dataset

__all__ = [
    "CONFIGS",
    "DEFAULT_CONFIGS",
    "FEATURES",
    "LOG_FEATURES",
    "SPLITS",
    "Provenance",
    "built_files",
    "debugging",
    "features_of",
    "inspect_row",
    "print_summary",
    "publish",
    "raw_row",
    "read_rows",
    "row_id",
    "split_of",
    "statistics",
    "trajectory_row",
    "write_dataset",
]
