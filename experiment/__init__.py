"""The paper's comparison: the same repositories in several forms, trained on alike and measured alike."""
