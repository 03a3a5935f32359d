"""What a built dataset shows: whether the search found anything, at what price, as figures and one page."""

from builder.report.evidence import Evidence, Interval, Thought, evidence, mean_gain
from builder.report.page import Report, Rescoring, collect, conclusions, rounds_table, write_report
from builder.report.rescore import rescore, sample_of

__all__ = [
    "Evidence",
    "Interval",
    "Report",
    "Rescoring",
    "Thought",
    "collect",
    "conclusions",
    "evidence",
    "mean_gain",
    "rescore",
    "rounds_table",
    "sample_of",
    "write_report",
]
