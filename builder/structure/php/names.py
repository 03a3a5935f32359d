"""The names that code uses, made full by PHP's rules from their namespace and its `use` declarations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from builder.structure.languages import Import
from builder.structure.syntax import text

if TYPE_CHECKING:
    from tree_sitter import Node

_NO_CLASSES = {
    "self", "static", "parent", "mixed", "never", "object", "iterable", "void", "null", "false", "true",
    "int", "float", "string", "bool", "array", "callable",
}  # fmt: skip
_FORMS = {"function": "function", "const": "constant"}


class Namespace:
    """One namespace of a file, from ``start`` on in bytes; ``name`` is ``""`` for the global one."""

    def __init__(self, name: str, start: int) -> None:
        self.name = name
        self.start = start
        self._aliases: dict[tuple[str, str], str] = {}  # (form, name that counts here) -> full name
        self._used: set[tuple[str, str]] = set()

    def use(self, declaration: Node) -> None:
        """Take in one `use` declaration."""
        prefix, form = "", "class"
        clauses: list[Node] = []
        grouped = False
        for child in declaration.children:
            if child.type in _FORMS:
                form = _FORMS[child.type]
            elif child.type == "namespace_name":
                prefix = text(child).lstrip("\\") + "\\"
            elif child.type == "namespace_use_clause":
                clauses.append(child)
            elif child.type == "namespace_use_group":
                grouped = True
                clauses += [inner for inner in child.named_children if inner.type == "namespace_use_clause"]
        for clause in clauses:
            own, name = form, ""
            for part in clause.children:
                if part.type in _FORMS:
                    own = _FORMS[part.type]
                    form = form if grouped else own  # without a group the first clause speaks for all
                elif part.type in ("name", "qualified_name", "namespace_name") and not name:
                    name = text(part).strip("\\")
            if name:
                short = text(clause.child_by_field_name("alias")) or name.rpartition("\\")[2]
                self._aliases[own, _folded(own, short)] = prefix + name

    def full(self, name: str) -> str:
        """The full name of what is declared here as ``name``."""
        return f"{self.name}\\{name}" if self.name else name

    def resolve(self, form: str, written: str) -> Import | None:
        """What a name means here. ``Import.name`` is the global function or constant that would do as well.

        ``None`` for what is no class: `self`, `int`. The kind is ``same-package`` for a name that nothing but
        the namespace tells.
        """
        name = written.lstrip("\\")
        head, qualifies, rest = name.partition("\\")
        if written.startswith("\\"):
            return Import(name, form=form)
        if qualifies and head.lower() == "namespace":
            return Import(self.full(rest), form=form, kind="same-package")
        key = ("class", head.lower()) if qualifies else (form, _folded(form, name))
        if key in self._aliases:
            self._used.add(key)
            return Import(self._aliases[key] + qualifies + rest, form=form)
        if qualifies:
            return Import(self.full(name), form=form)
        if form == "class":
            no_class = name.lower() in _NO_CLASSES
            return None if no_class else Import(self.full(name), form=form, kind="same-package")
        return Import(self.full(name), name if self.name else "", form=form, kind="same-package")

    def unused(self) -> Iterator[Import]:
        """What `use` declarations name and no code uses: comments may, or it stands for a namespace."""
        for key, name in self._aliases.items():
            if key not in self._used:
                yield Import(name, form="use" if key[0] == "class" else key[0], kind="type-only")


def _folded(form: str, name: str) -> str:
    return name if form == "constant" else name.lower()
