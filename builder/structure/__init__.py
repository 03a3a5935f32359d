"""File tree, imports, dependency graph, outlines and order of a repository."""

from builder.structure.types import Blueprint, Definition, Dependency

__all__ = ["Blueprint", "Definition", "Dependency"]
