"""Ruby: what :class:`builder.structure.languages.Language` asks for."""

from builder.structure.ruby.resolve import link
from builder.structure.ruby.scan import scan

__all__ = ["link", "scan"]
