"""What an experiment found, as sentences."""

from experiment.report.conclusions import Conclusion, conclusions

__all__ = ["Conclusion", "conclusions"]
