"""Where code comes from, what is left out and why."""

from builder.repository.expand import expand
from builder.repository.load import fingerprint, identify, is_fetched, load, shown
from builder.repository.reading import Limits
from builder.repository.types import Repository, SkippedFile, SourceFile

__all__ = [
    "Limits",
    "Repository",
    "SkippedFile",
    "SourceFile",
    "expand",
    "fingerprint",
    "identify",
    "is_fetched",
    "load",
    "shown",
]
