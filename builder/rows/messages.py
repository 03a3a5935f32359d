"""A trajectory as agent traces have it, so that the Hub's viewer shows a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasets.packaged_modules.json.json import AGENT_TRACES_FEATURES

from builder.trajectory import as_messages, from_row, tools, turns

MESSAGES_FEATURES = AGENT_TRACES_FEATURES


def messages_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The conversation of a trajectory's row: whole messages, with tool calls. Roles of spans are not in it.

    ``sent_at`` and ``trace`` stay empty: nobody sent it, and no harness wrote a log.
    """
    messages = as_messages(turns(from_row(row)))
    return {
        "harness": "repo2agent",
        "session_id": row["id"],
        "prompt": messages[0]["content"],
        "messages": messages,
        "tools": tools(),
        "metadata": {
            name: row[name]
            for name in ("repository", "revision", "license", "generator", "scorer", "seed", "version")
        },
        "sent_at": None,
        "num_user_messages": sum(message["role"] == "user" for message in messages),
        "num_tool_calls": sum(len(message.get("tool_calls", ())) for message in messages),
        "trace": None,
        "file_path": None,
    }
