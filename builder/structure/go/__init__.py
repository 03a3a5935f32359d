"""Go: what :class:`builder.structure.languages.Language` asks for."""

from builder.structure.go.packages import link, missing_names
from builder.structure.go.scan import scan

__all__ = ["link", "missing_names", "scan"]
