"""Features, splits, loss policy, statistics, card and publishing of the built rows."""

from builder.rows.build import Provenance, raw_row, row_id, trajectory_row
from builder.rows.features import FEATURES, LOG_FEATURES
from builder.rows.html import write_html
from builder.rows.inspect import inspect_row, print_summary
from builder.rows.messages import MESSAGES_FEATURES, messages_row
from builder.rows.publish import publish
from builder.rows.splits import SPLITS, split_of
from builder.rows.statistics import debugging, statistics
from builder.rows.verify import problems, verify_dataset
from builder.rows.write import (
    CONFIGS,
    DEFAULT_CONFIGS,
    USAGE,
    RowWriter,
    built_files,
    dataset_card,
    features_of,
    read_rows,
    read_usage,
    write_dataset,
)

__all__ = [
    "CONFIGS",
    "DEFAULT_CONFIGS",
    "FEATURES",
    "LOG_FEATURES",
    "MESSAGES_FEATURES",
    "SPLITS",
    "USAGE",
    "Provenance",
    "RowWriter",
    "built_files",
    "dataset_card",
    "debugging",
    "features_of",
    "inspect_row",
    "messages_row",
    "print_summary",
    "problems",
    "publish",
    "raw_row",
    "read_rows",
    "read_usage",
    "row_id",
    "split_of",
    "statistics",
    "trajectory_row",
    "verify_dataset",
    "write_dataset",
    "write_html",
]
