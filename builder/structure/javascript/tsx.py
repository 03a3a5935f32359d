"""TypeScript with JSX: what :class:`builder.structure.languages.Language` asks for."""

import functools

from builder.structure.javascript.resolve import link
from builder.structure.javascript.scan import scan as _scan

scan = functools.partial(_scan, "tree_sitter_typescript:language_tsx")

__all__ = ["link", "scan"]
