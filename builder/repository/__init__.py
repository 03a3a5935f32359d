"""Where code comes from, what is left out and why."""

from builder.repository.types import Repository, SkippedFile, SourceFile

__all__ = ["Repository", "SkippedFile", "SourceFile"]
