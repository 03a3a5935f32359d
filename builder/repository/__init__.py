"""Where code comes from, what is left out and why."""

from builder.repository.load import fingerprint, identify, load
from builder.repository.reading import Limits
from builder.repository.types import Repository, SkippedFile, SourceFile

__all__ = ["Limits", "Repository", "SkippedFile", "SourceFile", "fingerprint", "identify", "load"]
