"""One Ruby file by itself: what it loads, the constants that it opens and uses, its outline and header lines.

Of its :class:`Import` entries those with a kind of an edge are what it asks for, by ``form``:

- ``require`` and ``load``: a name as written, to be found on the load path; ``load`` takes it as it stands.
- ``relative`` and ``exact``: the same from the file's folder; ``glob``: the files of a pattern.
- ``dynamic``: what only a run would tell.
- ``constant``: ``module`` as written, with the modules around it in ``name``, innermost first.

The others: ``root`` is a folder that the file adds to the load path; ``defines`` a constant that it opens
(``form``: how, see :mod:`builder.structure.ruby.names`); ``ancestor`` what the class ``form`` inherits
constants from, written like a ``constant``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from builder.structure.languages import Facts, Import
from builder.structure.ruby.blocks import waits
from builder.structure.ruby.loads import LOAD_PATHS, LOADS, Loop, Paths, loaded
from builder.structure.ruby.names import FORMS
from builder.structure.ruby.outline import ACCESSORS, GRAMMAR, Comments, definition
from builder.structure.syntax import captures_by_name, lines, parse, text
from builder.structure.types import KINDS, Definition

if TYPE_CHECKING:
    from tree_sitter import Node

_CALLS = (*LOADS, *ACCESSORS, "include", "prepend")
_ADDERS = ("unshift", "push", "append", "prepend", "insert", "<<")
_QUERY = f"""
[(class) (module) (singleton_class)] @scope
[(method) (singleton_method)] @method
(lambda) @lambda
(constant) @constant
(scope_resolution) @path
(scope_resolution name: (constant) @qualified)
(call method: (constant) @qualified)
[(class name: (_) @own) (module name: (_) @own)]
(assignment left: [(constant) (scope_resolution)] @own) @assigned
(operator_assignment left: [(constant) (scope_resolution)] @own) @assigned
(left_assignment_list [(constant) (scope_resolution)] @own @several)
(assignment left: (identifier)) @variable
(comment) @comment
(call !receiver method: (identifier) @name (#any-of? @name {" ".join(f'"{name}"' for name in _CALLS)})) @call
(call method: (identifier) block: (_)) @block
(call receiver: (global_variable)) @adds
(binary left: (global_variable) operator: "<<") @adds
"""
_MAX_DEPTH = 32  # of modules in one another: deeper ones count as the one around them
_MAX_LINES = 20  # of a call that is no more than an import
_MAX_NAME = 300  # bytes; of a full name as well
_CONSTANT = re.compile(rb"(?:::)?[A-Z]\w*(?:\s*::\s*[A-Z]\w*)*")
_SPACE = re.compile(r"\s+")
_ABOUT_CONSTANTS = ("autoload", "private_constant", "public_constant", "deprecate_constant", "eager_autoload")


@dataclass(frozen=True)
class _Place:
    """Where something stands."""

    name: str = ""  # of the innermost module around it, in full
    nesting: str = ""  # the names of all of them, innermost first
    depth: int = 0
    kind: str = "import"  # of what is asked for there
    in_method: bool = False
    container: str = ""  # what `autoload` without a path adds the constant to
    loop: Loop | None = None


def scan(source: bytes) -> Facts:
    """Read one file. A text with syntax errors gives what parses of it."""
    root = parse(GRAMMAR, source)
    found = captures_by_name(GRAMMAR, _QUERY, root)
    file = _File(source, found)
    file.walk()
    first = next((node for node in root.named_children if node.type != "comment"), None)
    header = file.header.union(file.comments.leading(first))
    return Facts(tuple(file.imports), tuple(file.outline), frozenset(header))


class _File:
    """What is found while the file is gone through once, from its start to its end."""

    def __init__(self, source: bytes, found: dict[str, list[Node]]) -> None:
        self._source = source
        self._found = found
        self._paths = Paths([*found.get("variable", ()), *found.get("assigned", ())])
        self._derives = b"ActiveSupport::Autoload" in source
        self._kinds: dict[tuple[str, str], str] = {}
        self._loaded: list[Import] = []
        self._about: dict[Import, None] = {}
        self.comments = Comments(found.get("comment", ()), source)
        self.outline: list[Definition] = []
        self.header: set[int] = set()

    @property
    def imports(self) -> Iterator[Import]:
        """Everything that :func:`scan` gives."""
        yield from self._about
        yield from dict.fromkeys(self._loaded)
        for (written, nesting), kind in self._kinds.items():
            yield Import(written, nesting, kind=kind, form="constant")

    def walk(self) -> None:
        """Meet every item of the file in the order of the text, with the blocks around it on a stack."""
        # Blocks first where they begin with what is inside them, the outer one before the inner one.
        items: list[tuple[int, int, int, int]] = []
        acts: list[Callable[[_Place], _Place | None]] = []

        def add(start: int, end: int, act: Callable[[_Place], _Place | None], is_block: bool = False) -> None:
            items.append((start, not is_block, -end, len(acts)))
            acts.append(act)

        self._add_all(add)
        items.sort()
        stack: list[tuple[int, _Place]] = [(len(self._source) + 1, _Place())]
        for start, is_item, negative_end, number in items:
            while stack[-1][0] <= start and len(stack) > 1:
                stack.pop()
            place = acts[number](stack[-1][1])
            if not is_item and place is not None:
                stack.append((-negative_end, place))

    def _add_all(self, add: Callable[..., None]) -> None:
        found = self._found
        for node in found.get("scope", ()):
            add(node.start_byte, node.end_byte, lambda place, node=node: self._open(node, place))
            if body := node.child_by_field_name("body"):
                add(body.start_byte, body.end_byte, lambda place, node=node: _inside(node, place), True)
        for node in found.get("method", ()):
            add(node.start_byte, node.end_byte, lambda place, node=node: self._outlined(node, place))
            name = node.child_by_field_name("name")
            start = name.end_byte if name else node.start_byte + 3
            add(start, node.end_byte, lambda place: replace(place, kind="lazy", in_method=True), True)
        for node in found.get("lambda", ()):
            add(node.start_byte + 2, node.end_byte, _later, True)
        several = {node.start_byte for node in found.get("several", ())}
        for node in found.get("assigned", ()):
            if node.start_byte not in several:
                add(node.start_byte, node.end_byte, lambda place, node=node: self._assigned(node, place))
        for node in found.get("call", ()):
            add(node.start_byte, node.end_byte, lambda place, node=node: self._called(node, place))
        for node in found.get("block", ()):
            block = node.child_by_field_name("block") or node
            add(block.start_byte, block.end_byte, lambda place, node=node: self._block(node, place), True)
        for node in found.get("adds", ()):
            add(node.start_byte, node.end_byte, lambda _, node=node: self._adds(node))
        for start, written in self._constants():
            add(start, start, lambda place, written=written: self._uses(written, place))

    def _constants(self) -> Iterator[tuple[int, str]]:
        """Constants that are read: the longest paths, and the names that are in none."""
        own = {node.start_byte: node.end_byte for node in self._found.get("own", ())}
        longest: set[int] = set()
        for node in sorted(self._found.get("path", ()), key=lambda node: (node.start_byte, -node.end_byte)):
            start, end = node.start_byte, node.end_byte
            if start in longest or end - start > _MAX_NAME:
                continue
            written = self._source[start:end]
            if _CONSTANT.fullmatch(written):
                longest.add(start)
                name = _SPACE.sub("", written.decode())
                # What a path is opened or assigned in must be there; its last name comes to be.
                name = name.rpartition("::")[0] if own.get(start) == end else name
                if name:
                    yield start, name
        skipped = longest | own.keys() | {node.start_byte for node in self._found.get("qualified", ())}
        for node in self._found.get("constant", ()):
            start = node.start_byte
            if start not in skipped and node.end_byte - start <= _MAX_NAME:
                yield start, text(node)

    def _uses(self, written: str, place: _Place) -> None:
        key = written, place.nesting
        self._kinds[key] = min(self._kinds.get(key, place.kind), place.kind, key=KINDS.index)

    def _outlined(self, node: Node, place: _Place) -> None:
        if not place.in_method:
            self.outline += definition(node, place.depth, self.comments, self._source)

    def _open(self, node: Node, place: _Place) -> None:
        self._outlined(node, place)
        if node.type == "singleton_class" or not (name := _full(node, place)):
            return
        parent = node.child_by_field_name("superclass")
        self._about[Import(name, kind="defines", form="made" if parent else _substance(node))] = None
        self._inherits(name, parent.named_children if parent else (), place)

    def _assigned(self, node: Node, place: _Place) -> None:
        self._outlined(node, place)
        left = node.child_by_field_name("left")
        written = _SPACE.sub("", text(left)) if left and left.end_byte - left.start_byte <= _MAX_NAME else ""
        if _CONSTANT.fullmatch(written.encode()):
            self._about[Import(_joined(written, place), kind="defines", form="made")] = None

    def _inherits(self, name: str, given: Iterable[Node], place: _Place) -> None:
        for node in given:
            written = _SPACE.sub("", text(node)) if node.type in ("constant", "scope_resolution") else ""
            if len(written) <= _MAX_NAME and _CONSTANT.fullmatch(written.encode()):
                self._about[Import(written, place.nesting, kind="ancestor", form=name)] = None

    def _called(self, node: Node, place: _Place) -> None:
        method = text(node.child_by_field_name("method"))
        if method in ACCESSORS:
            self._outlined(node, place)
        elif method in ("include", "prepend"):
            given = node.child_by_field_name("arguments")
            if given and place.name and not place.in_method:
                self._inherits(place.name, given.named_children, place)
        elif method in LOADS:
            container = place.container or (f"{place.name}::" if place.name else "")
            container = container if self._derives else ""
            wanted = list(loaded(node, place.kind, self._paths, place.loop, container))
            self._loaded += wanted
            is_short = node.end_point.row - node.start_point.row < _MAX_LINES
            if wanted and not place.in_method and place.kind == "import" and is_short:
                self.header.update(lines(node))

    def _block(self, node: Node, place: _Place) -> _Place:
        method = text(node.child_by_field_name("method"))
        if method == "sig":
            return replace(place, kind="type-only")
        if method in ("each", "glob"):
            return replace(place, loop=self._paths.loop(node) or place.loop)
        if not method.startswith("autoload_"):
            return _later(place) if waits(method) else place
        given = node.child_by_field_name("arguments")
        only = given.named_child(0) if given and given.named_child_count == 1 else None
        if (value := self._paths.value(only, {})) and place.name:
            container = value if method == "autoload_at" else f"{place.name}::{value}::"
            return replace(place, container=container)
        return place

    def _adds(self, node: Node) -> None:
        """`$LOAD_PATH.unshift "…"` and `$: << "…"`."""
        left = text(node.child_by_field_name("receiver") or node.child_by_field_name("left"))
        method = text(node.child_by_field_name("method") or node.child_by_field_name("operator"))
        if left not in LOAD_PATHS or method not in _ADDERS:
            return
        arguments, right = node.child_by_field_name("arguments"), node.child_by_field_name("right")
        for given in arguments.named_children if arguments else [right]:
            if value := self._paths.value(given, {}):
                self._about[Import(value, kind="root")] = None


def _later(place: _Place) -> _Place:
    return replace(place, kind=max(place.kind, "lazy", key=KINDS.index))


def _inside(node: Node, place: _Place) -> _Place:
    """Within the body of a class or module."""
    name = _full(node, place) if node.type != "singleton_class" and place.depth < _MAX_DEPTH else ""
    if not name or len(name) > _MAX_NAME:
        return replace(place, depth=place.depth + 1)
    return replace(place, name=name, nesting=f"{name} {place.nesting}".rstrip(), depth=place.depth + 1)


def _full(node: Node, place: _Place) -> str:
    name = node.child_by_field_name("name")
    if name is None or name.end_byte - name.start_byte > _MAX_NAME:
        return ""
    written = _SPACE.sub("", text(name))
    return _joined(written, place) if _CONSTANT.fullmatch(written.encode()) else ""


def _joined(written: str, place: _Place) -> str:
    if written.startswith("::") or not place.name:
        return written.removeprefix("::")
    return f"{place.name}::{written}"


def _substance(node: Node) -> str:
    """Whether a class or module says something itself: what only holds others is opened in many files."""
    body = node.child_by_field_name("body")
    if body is None:
        return "body"
    kinds = {_about(child) for child in body.named_children}
    return min(kinds - {""}, default="body", key=FORMS.index)


def _about(statement: Node) -> str:
    """What a statement of a module's body gives it; ``""`` for a comment."""
    kind = statement.type
    if kind == "assignment":
        left = statement.child_by_field_name("left")
        return "constants" if left is not None and left.type == "constant" else "body"
    if kind == "call" and text(statement.child_by_field_name("method")) in _ABOUT_CONSTANTS:
        return "constants"
    return {"class": "nesting", "module": "nesting", "comment": ""}.get(kind, "body")
