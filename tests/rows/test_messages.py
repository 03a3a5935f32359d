"""The messages view: exactly the columns of agent traces, and exactly what the row says."""

from __future__ import annotations

from datasets import load_dataset
from datasets.packaged_modules.json.json import AGENT_TRACES_FEATURES

from builder.agents import AgentOptions, Team
from builder.hub import write_card
from builder.rows import Provenance, messages_row, trajectory_row, write_dataset
from builder.trajectory import DEFAULT_LOSS_ROLES


def test_it_loads_with_the_features_of_agent_traces(blueprint, scripted, bytes_tokenizer, tmp_path):
    team = Team(blueprint, scripted(), AgentOptions(), seed=0)
    provenance = Provenance("g@1", "s@1", "p", 0, "0")
    row = trajectory_row(team.structure(), blueprint, provenance, bytes_tokenizer, DEFAULT_LOSS_ROLES)
    write_dataset(tmp_path, {"messages": {"train": [messages_row(row)]}})
    write_card(tmp_path)
    dataset = load_dataset(str(tmp_path), "messages", split="train", cache_dir=str(tmp_path / "cache"))
    assert dataset.features == AGENT_TRACES_FEATURES

    (trace,) = dataset
    assert trace == messages_row(row)
    written = {
        call["function"]["arguments"]["path"]: call["function"]["arguments"]["content"]
        for message in trace["messages"]
        for call in message.get("tool_calls", ())
        if call["function"]["name"] == "write"
    }
    assert written == {file.path: file.content for file in blueprint.repository.files}
    assert trace["num_tool_calls"] == 2 * len(written) + 1  # and one reads
    assert trace["num_user_messages"] == 1
    names = {tool["function"]["name"] for tool in trace["tools"]}
    assert names == {"implement", "read", "check", "write"}
