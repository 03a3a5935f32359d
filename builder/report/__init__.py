"""What a built dataset shows: whether the search found anything, at what price, as figures and one page."""

from builder.report.charts import INK, draw_rounds, new_figure
from builder.report.charts import style as chart_style
from builder.report.charts import svg as chart_svg
from builder.report.evidence import Evidence, Interval, Thought, evidence, mean_gain
from builder.report.page import (
    Report,
    Rescoring,
    collect,
    conclusions,
    rounds_table,
    stylesheet,
    write_report,
)
from builder.report.rescore import rescore, sample_of
from builder.report.rounds import ROUNDS_COLUMNS, Rounds, rounds_of

__all__ = [
    "INK",
    "ROUNDS_COLUMNS",
    "Evidence",
    "Interval",
    "Report",
    "Rescoring",
    "Rounds",
    "Thought",
    "chart_style",
    "chart_svg",
    "collect",
    "conclusions",
    "draw_rounds",
    "evidence",
    "mean_gain",
    "new_figure",
    "rescore",
    "rounds_of",
    "rounds_table",
    "sample_of",
    "stylesheet",
    "write_report",
]
