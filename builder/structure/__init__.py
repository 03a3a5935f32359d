"""File tree, imports, dependency graph, outlines and order of a repository."""

from builder.structure.analysis import analyze
from builder.structure.drafts import Reading, SyntaxFault, Workspace
from builder.structure.order import out_of_order
from builder.structure.render import as_dot, as_json, tree
from builder.structure.types import KINDS, Blueprint, Definition, Dependency

__all__ = [
    "KINDS",
    "Blueprint",
    "Definition",
    "Dependency",
    "Reading",
    "SyntaxFault",
    "Workspace",
    "analyze",
    "as_dot",
    "as_json",
    "out_of_order",
    "tree",
]
