"""File tree, imports, dependency graph, outlines and order of a repository."""

from builder.structure.analysis import analyze
from builder.structure.detection import detect, is_code
from builder.structure.drafts import Reading, SyntaxFault, Workspace
from builder.structure.languages import READERS
from builder.structure.order import out_of_order
from builder.structure.render import as_dot, as_json, tree
from builder.structure.types import KINDS, Blueprint, Definition, Dependency

STRUCTURED = frozenset(READERS)  # languages, as linguist names them, whose structure is read

__all__ = [
    "KINDS",
    "STRUCTURED",
    "Blueprint",
    "Definition",
    "Dependency",
    "Reading",
    "SyntaxFault",
    "Workspace",
    "analyze",
    "as_dot",
    "as_json",
    "detect",
    "is_code",
    "out_of_order",
    "tree",
]
