"""Python: what :class:`builder.structure.languages.Language` asks for."""

from builder.structure.python.imports import link
from builder.structure.python.names import bound, missing_names
from builder.structure.python.scan import scan

__all__ = ["bound", "link", "missing_names", "scan"]
