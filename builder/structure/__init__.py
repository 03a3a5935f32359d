"""File tree, imports, dependency graph, outlines and order of a repository."""

from builder.structure.analysis import analyze
from builder.structure.drafts import Reading, SyntaxFault, Workspace
from builder.structure.render import as_dot, as_json, tree
from builder.structure.types import Blueprint, Definition, Dependency

__all__ = [
    "Blueprint",
    "Definition",
    "Dependency",
    "Reading",
    "SyntaxFault",
    "Workspace",
    "analyze",
    "as_dot",
    "as_json",
    "tree",
]
