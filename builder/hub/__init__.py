"""A built dataset and the Hub: its card, and publishing it."""

from builder.hub.card import dataset_card, write_card
from builder.hub.publish import FILES_PER_COMMIT, publish, unfinished

__all__ = ["FILES_PER_COMMIT", "dataset_card", "publish", "unfinished", "write_card"]
