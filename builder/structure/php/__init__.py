"""PHP: what :class:`builder.structure.languages.Language` asks for."""

from builder.structure.php.resolve import link
from builder.structure.php.scan import scan

__all__ = ["link", "scan"]
