"""One C or C++ file by itself: its includes, outline and header lines."""

from __future__ import annotations

import re

from builder.structure.c.directives import preprocess
from builder.structure.c.outline import outline
from builder.structure.languages import Facts
from builder.structure.syntax import Unparsed, parse

# What no C file has, roughly: a header's name does not tell which of the two it is.
_CPP = re.compile(
    rb"^[ \t]*+(?:template\s*<|(?:inline\s+)?namespace\b|using\s+(?:namespace\b|\w+\s*=)"
    rb"|class\s+\w[^;*()\n]{0,200}[{;:\n]|(?:public|private|protected)\s*:|\#[ \t]*include[ \t]*<\w+>)"
    rb"|^[^/*\n]*\w::~?\w",
    re.MULTILINE,
)


def scan(source: bytes) -> Facts:
    """Read one file. Its includes are found in any text, its outline in what parses of it."""
    seen = preprocess(source)
    try:
        root = parse("tree_sitter_cpp" if _CPP.search(source) else "tree_sitter_c", source)
        definitions = outline(root, source, seen.guards)
    except Unparsed:
        definitions = ()  # the includes hold all the same
    return Facts(seen.includes, definitions, seen.header_lines)
