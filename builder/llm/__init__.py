"""One small protocol (generate, score), its engines, and the store of answers."""

from builder.llm.protocol import Message, Model, ModelError, ModelInfo

__all__ = ["Message", "Model", "ModelError", "ModelInfo"]
