"""What an experiment found, as sentences, as one web page and as Markdown."""

from experiment.report.conclusions import Conclusion, conclusions
from experiment.report.page import write_report

__all__ = ["Conclusion", "conclusions", "write_report"]
