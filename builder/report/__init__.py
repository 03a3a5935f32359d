"""What a built dataset shows: whether the search found anything, at what price, as figures and one page."""

from builder.report.charts import draw_rounds
from builder.report.evidence import Evidence, Interval, Thought, evidence, mean_gain
from builder.report.page import Report, Rescoring, collect, conclusions, rounds_table, write_report
from builder.report.rescore import rescore, sample_of
from builder.report.rounds import ROUNDS_COLUMNS, Rounds, rounds_of

__all__ = [
    "ROUNDS_COLUMNS",
    "Evidence",
    "Interval",
    "Report",
    "Rescoring",
    "Rounds",
    "Thought",
    "collect",
    "conclusions",
    "draw_rounds",
    "evidence",
    "mean_gain",
    "rescore",
    "rounds_of",
    "rounds_table",
    "sample_of",
    "write_report",
]
