"""Features, splits, loss policy and statistics of the built rows, and the folder that holds them."""

from builder.rows.build import Provenance, raw_row, row_id, trajectory_row
from builder.rows.columns import main_config, read_columns
from builder.rows.features import FEATURES, LEFT_OUT_FEATURES, LEFT_OUT_REASONS, LOG_FEATURES
from builder.rows.html import write_html
from builder.rows.inspect import inspect_row, print_summary
from builder.rows.messages import MESSAGES_FEATURES, messages_row
from builder.rows.splits import SPLITS, split_of
from builder.rows.statistics import DEBUGGING_COLUMNS, STATISTICS_COLUMNS, debugging, reason_class, statistics
from builder.rows.verify import problems, verify_dataset
from builder.rows.write import (
    BUILDABLE_CONFIGS,
    CONFIGS,
    DEFAULT_CONFIGS,
    LEFT_OUT,
    USAGE,
    RowWriter,
    built_files,
    features_of,
    read_rows,
    read_usage,
    write_dataset,
)

__all__ = [
    "BUILDABLE_CONFIGS",
    "CONFIGS",
    "DEBUGGING_COLUMNS",
    "DEFAULT_CONFIGS",
    "FEATURES",
    "LEFT_OUT",
    "LEFT_OUT_FEATURES",
    "LEFT_OUT_REASONS",
    "LOG_FEATURES",
    "MESSAGES_FEATURES",
    "SPLITS",
    "STATISTICS_COLUMNS",
    "USAGE",
    "Provenance",
    "RowWriter",
    "built_files",
    "debugging",
    "features_of",
    "inspect_row",
    "main_config",
    "messages_row",
    "print_summary",
    "problems",
    "raw_row",
    "read_columns",
    "read_rows",
    "read_usage",
    "reason_class",
    "row_id",
    "split_of",
    "statistics",
    "trajectory_row",
    "verify_dataset",
    "write_dataset",
    "write_html",
]
