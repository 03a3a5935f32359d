"""Which names a Python file has at its top level, and which ones another file asks of it in vain."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping

from builder.repository import Repository
from builder.structure.languages import Facts
from builder.structure.python.imports import asked
from builder.structure.python.outline import GRAMMAR
from builder.structure.syntax import Unparsed, captures, parse, text

# With one of these a module may have names that stand nowhere in its text as such.
_DYNAMIC = re.compile(
    rb"\b(?:globals|locals|vars|exec|eval|setattr)\s*\(|\bmodules\s*\[|\b__getattr__\b|__dict__"
)
_GLOBAL = "(global_statement (identifier) @name)"
_NAMED = ("class_definition", "function_definition")


def bound(source: bytes) -> frozenset[str] | None:
    """Names that a module may have; ``None`` where only running it would tell.

    Rather too many than too few: whatever stands as a name in a statement at the top level counts.
    """
    if _DYNAMIC.search(source):
        return None
    root = parse(GRAMMAR, source)
    names = {text(node) for node in captures(GRAMMAR, _GLOBAL, root)}
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type == "wildcard_import":
            return None
        if node.type == "identifier":
            names.add(text(node))
        elif node.type in _NAMED:
            names.add(text(node.child_by_field_name("name")))
        elif node.type == "attribute":
            stack += [part for part in (node.child_by_field_name("object"),) if part]
        elif node.type == "keyword_argument":
            stack += [part for part in (node.child_by_field_name("value"),) if part]
        else:
            stack += node.named_children
    return frozenset(names)


def missing_names(
    path: str, facts: Mapping[str, Facts], repository: Repository, written: Collection[str]
) -> Iterator[tuple[str, str]]:
    """``from dep import name`` where ``dep`` is written and has no such name or submodule."""
    skipped = [file.path for file in repository.skipped]
    for target, name in asked(path, facts[path], repository):
        if target not in written or not target.endswith(".py") or name.startswith("__"):
            continue
        # A submodule may have been left out: compiled, or too large.
        stem = f"{target.rpartition('/')[0]}/{name}".lstrip("/")
        if any(other.startswith((f"{stem}.", f"{stem}/")) for other in skipped):
            continue
        names = _bound(repository.file(target).content)
        if names is not None and name not in names:
            yield target, name


@functools.lru_cache(maxsize=256)
def _bound(content: str) -> frozenset[str] | None:
    try:
        return bound(content.encode("utf-8", "surrogatepass"))
    except Unparsed:
        return None
