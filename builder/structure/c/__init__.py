"""C and C++: what :class:`builder.structure.languages.Language` asks for."""

from builder.structure.c.includes import link
from builder.structure.c.scan import scan

__all__ = ["link", "scan"]
