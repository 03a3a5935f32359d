"""Which repositories are worth building from: licence, size, language, copies, benchmarks' own answers."""

from builder.selection.choose import choose
from builder.selection.copies import nearest_copies
from builder.selection.options import SelectOptions
from builder.selection.record import REASONS, Record
from builder.selection.survey import read, survey

__all__ = ["REASONS", "Record", "SelectOptions", "choose", "nearest_copies", "read", "survey"]
