"""One small protocol (generate, score), its engines, and the store of answers.

Example::

    async with connect("http://127.0.0.1:8080", store=Path("answers.sqlite"), scoring=True) as model:
        text = await model.generate([{"role": "user", "content": "…"}], max_tokens=200, seed=1)
        logprobs = await model.score(context_ids, target_ids)
        print(model.info.model_id, model.usage)

    async with connect(["http://node1:8080", "http://node2:8080"]) as model:  # two servers of one model
        ...

    with pocket_server() as url:  # a local model behind the same protocol, gone when this process is gone
        ...
"""

from __future__ import annotations

from builder.llm.calls import PATIENCE
from builder.llm.connection import Connection, connect
from builder.llm.describe import describe
from builder.llm.embedded import embedded_model
from builder.llm.pocket import child_environment, pocket_server, serve
from builder.llm.protocol import Capabilities, Message, Model, ModelError, ModelInfo
from builder.llm.purpose import asking_for, purpose
from builder.llm.usage import Usage

__all__ = [
    "PATIENCE",
    "Capabilities",
    "Connection",
    "Message",
    "Model",
    "ModelError",
    "ModelInfo",
    "Usage",
    "asking_for",
    "child_environment",
    "connect",
    "describe",
    "embedded_model",
    "pocket_server",
    "purpose",
    "serve",
]
