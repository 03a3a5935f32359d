"""Python: what :class:`builder.structure.languages.Language` asks for."""

from builder.structure.python.imports import link
from builder.structure.python.scan import scan

__all__ = ["link", "scan"]
