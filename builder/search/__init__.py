"""Candidates, controls, scoring, acceptance and the leakage guard."""

from builder.search.refine import CONTROLS, Refined, SearchOptions, num_search_calls, refine
from builder.search.scoring import Scorer, Target, choose_target

__all__ = [
    "CONTROLS",
    "Refined",
    "Scorer",
    "SearchOptions",
    "Target",
    "choose_target",
    "num_search_calls",
    "refine",
]
