"""Features, splits, loss policy, statistics, card and publishing of the built rows."""

from builder.rows.features import FEATURES, LOG_FEATURES

__all__ = ["FEATURES", "LOG_FEATURES"]
