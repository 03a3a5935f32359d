"""Main agent and sub-agents: they write the requirement, the plan and the thoughts."""

from builder.agents.checks import Checker, Defect, check
from builder.agents.debugging import Debugged, debug, num_debug_calls, verify_debugging
from builder.agents.grounding import unknown_share
from builder.agents.leakage import LeakageGuard, Limits, Overlap
from builder.agents.prompts import messages, prompt_hash, prompts_hash, quote
from builder.agents.simulation import AgentOptions, Team, call_seed

__all__ = [
    "AgentOptions",
    "Checker",
    "Debugged",
    "Defect",
    "LeakageGuard",
    "Limits",
    "Overlap",
    "Team",
    "call_seed",
    "check",
    "debug",
    "messages",
    "num_debug_calls",
    "prompt_hash",
    "prompts_hash",
    "quote",
    "unknown_share",
    "verify_debugging",
]
