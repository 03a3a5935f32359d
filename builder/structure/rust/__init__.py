"""Rust: what :class:`builder.structure.languages.Language` asks for."""

from builder.structure.rust.resolve import link
from builder.structure.rust.scan import scan

__all__ = ["link", "scan"]
