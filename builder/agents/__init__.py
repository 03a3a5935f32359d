"""Main agent and sub-agents: they write the requirement, the plan and the thoughts."""

from builder.agents.prompts import messages, prompt_hash, prompts_hash, quote
from builder.agents.simulation import AgentOptions, Team, call_seed

__all__ = ["AgentOptions", "Team", "call_seed", "messages", "prompt_hash", "prompts_hash", "quote"]
