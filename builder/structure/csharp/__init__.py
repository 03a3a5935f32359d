"""C#: what :class:`builder.structure.languages.Language` asks for."""

from builder.structure.csharp.resolve import link
from builder.structure.csharp.scan import scan

__all__ = ["link", "scan"]
