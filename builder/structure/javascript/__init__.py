"""JavaScript with JSX: what :class:`builder.structure.languages.Language` asks for.

TypeScript and TSX stand beside it (``typescript``, ``tsx``): other grammars, the same rules. Imports cross
from one to another, so that ``link`` looks among all files of the repository.
"""

import functools

from builder.structure.javascript.resolve import link
from builder.structure.javascript.scan import scan as _scan

scan = functools.partial(_scan, "tree_sitter_javascript")

__all__ = ["link", "scan"]
