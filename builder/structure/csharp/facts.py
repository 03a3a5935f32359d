"""What one C# file says by itself, in terms that names are resolved in.

Names of types are written with dots, and with a backquote and the number of type parameters where there are
any: ``A.B.Map`2``. One that begins at the root begins with ``global::``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from builder.structure.languages import Facts

TYPES = {
    "class_declaration": "class", "struct_declaration": "struct", "interface_declaration": "interface",
    "record_declaration": "record", "enum_declaration": "enum", "delegate_declaration": "delegate",
}  # fmt: skip
LOST = "lost"  # the kind of a type that is nested in one whose declaration could not be read


class Using(NamedTuple):
    """One using directive."""

    name: str
    alias: str = ""
    is_static: bool = False
    is_global: bool = False


class Member(NamedTuple):
    """What a type declares besides other types. ``type`` is the last name of a property's or field's type."""

    name: str
    type: str = ""
    is_static: bool = False
    is_extension: bool = False


@dataclass(frozen=True)
class Scope:
    """The file (the first scope), a namespace's declaration or a type's; ``name`` is as declared there."""

    kind: str = "file"  # file | namespace | LOST | one of the values of TYPES
    name: str = ""
    parent: int = -1
    usings: tuple[Using, ...] = ()
    modifiers: frozenset[str] = frozenset()
    bases: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()


class Use(NamedTuple):
    """A name that is used in a scope, and the form of its use.

    ``type``: the whole name is a type. ``attribute``: so it is, perhaps without its last word. ``value``: a
    type may be the first part of the name, or a few. ``pattern`` and ``nameof``: the same, or all of it.
    ``call``: a method of something, which ``qualifier`` names where it is no more than a name. ``bare``:
    a name without qualifier that may be a member; ``this``: a member of the type around it.
    """

    scope: int
    form: str
    name: str
    qualifier: str = ""


@dataclass(frozen=True)
class Source(Facts):
    """The facts of one file."""

    scopes: tuple[Scope, ...] = (Scope(),)
    uses: tuple[Use, ...] = ()
    friends: tuple[str, ...] = ()  # assemblies that see what is internal
