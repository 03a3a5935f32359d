"""Measures of a finished model, their uncertainty, and the folder and tables of results."""

from trainer.evaluation.model import EvaluatedModel, load_model
from trainer.evaluation.results import ResultsFolder, read_items, read_results
from trainer.evaluation.suite import Suite, read_suite
from trainer.evaluation.table import best, comparison, results_page
from trainer.evaluation.types import Item, Measure, MeasureOptions, Request, Skip
from trainer.evaluation.uncertainty import mean_interval, paired_difference, verdict

__all__ = [
    "EvaluatedModel",
    "Item",
    "Measure",
    "MeasureOptions",
    "Request",
    "ResultsFolder",
    "Skip",
    "Suite",
    "best",
    "comparison",
    "load_model",
    "mean_interval",
    "paired_difference",
    "read_items",
    "read_results",
    "read_suite",
    "results_page",
    "verdict",
]
