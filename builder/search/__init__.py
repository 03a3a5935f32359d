"""Candidates, controls, scoring, acceptance and the leakage guard."""

from builder.search.budget import Budget
from builder.search.noise import NO_NOISE, Noise, measure_noise
from builder.search.options import SearchOptions
from builder.search.refine import (
    Refined,
    num_search_calls,
    refine,
    refine_at_random,
    refine_debugging,
)
from builder.search.scoring import Scorer, Target, choose_target, ids_bytes
from builder.search.thought import CONTROLS

__all__ = [
    "CONTROLS",
    "NO_NOISE",
    "Budget",
    "Noise",
    "Refined",
    "Scorer",
    "SearchOptions",
    "Target",
    "choose_target",
    "ids_bytes",
    "measure_noise",
    "num_search_calls",
    "refine",
    "refine_at_random",
    "refine_debugging",
]
