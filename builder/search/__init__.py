"""Candidates, controls, scoring, acceptance and the leakage guard."""

from builder.search.options import SearchOptions
from builder.search.refine import Refined, num_search_calls, refine
from builder.search.scoring import Scorer, Target, choose_target, ids_bytes
from builder.search.thought import CONTROLS

__all__ = [
    "CONTROLS",
    "Refined",
    "Scorer",
    "SearchOptions",
    "Target",
    "choose_target",
    "ids_bytes",
    "num_search_calls",
    "refine",
]
