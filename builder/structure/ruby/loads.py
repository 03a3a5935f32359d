"""Calls that load files, and the paths that they are given as far as a text tells them without being run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.structure.languages import Import
from builder.structure.syntax import bounded, text

if TYPE_CHECKING:
    from tree_sitter import Node

# What a path may begin with: the folder of the file, the folder of the project (where a process is started).
HERE, PROJECT = "\0", "\1"
LOADS = ("require", "require_relative", "require_dependency", "load", "autoload", "eval_gemfile")
LOAD_PATHS = ("$LOAD_PATH", "$:", "$-I")
_FILES = ("File", "::File")
_SAME = ("to_s", "to_path", "freeze", "realpath", "expand_path", "cleanpath")
_MAX_NESTING = 8  # of calls in a path
_MAX_VALUES = 200  # of a list that is gone through
_MAX_TURNS = 10_000  # of all such lists in a file
_MAX_STEPS = 100_000  # to tell all values of a file
_MAX_TEXT = 1_000  # characters of a value
_MAX_WRITTEN = 80  # characters of what cannot be told
_LISTS = ("string_array", "array")


@dataclass(frozen=True)
class Loop:
    """A block that is called with one text after the other: those of a list, or the files of a pattern."""

    variable: str
    values: tuple[str, ...] = ()
    pattern: str = ""


class Paths:
    """Tells the value of an expression, with the variables and constants of a file that are assigned once."""

    def __init__(self, assignments: Sequence[Node]) -> None:
        self._assignments = assignments
        self._values: dict[str, Node | None] | None = None
        self._num_turns = self._num_steps = 0

    def turns(self, loop: Loop | None) -> list[dict[str, str]]:
        """What the variables around a call are, for each time that it is made."""
        self._num_turns += len(loop.values) if loop else 0
        if loop is None or not loop.values or self._num_turns > _MAX_TURNS:
            return [{}]
        return [{loop.variable: value} for value in loop.values]

    def value(self, node: Node | None, bound: Mapping[str, str], depth: int = 0) -> str | None:
        """A text, plain or after :data:`HERE` or :data:`PROJECT`; ``None`` if it cannot be told."""
        self._num_steps += 1
        if node is None or depth > _MAX_NESTING or self._num_steps > _MAX_STEPS:
            return None
        told: str | None = None
        if node.type == "string":
            told = self._string(node, bound, depth)
        elif node.type in ("identifier", "constant"):
            told = self._named(text(node), bound, depth)
        elif node.type == "binary":
            told = self._combined(node, bound, depth)
        elif node.type == "call":
            told = self._called(node, bound, depth)
        return told if told is None or len(told) <= _MAX_TEXT else None

    def _combined(self, node: Node, bound: Mapping[str, str], depth: int) -> str | None:
        left = self.value(node.child_by_field_name("left"), bound, depth + 1)
        operator = text(node.child_by_field_name("operator"))
        if left is None or operator in ("||", "or"):
            return left
        right = self.value(node.child_by_field_name("right"), bound, depth + 1)
        return left + right if operator == "+" and right is not None else None

    def loop(self, call: Node) -> Loop | None:
        """What `[…].each { |x| … }` or `Dir[…].each { |x| … }` goes through."""
        block = call.child_by_field_name("block")
        parameters = block.child_by_field_name("parameters") if block else None
        variable = "it" if block else ""
        if parameters is not None:
            only = parameters.named_child(0) if parameters.named_child_count == 1 else None
            variable = text(only) if only is not None and only.type == "identifier" else ""
        if not variable:
            return None
        source: Node | None = call
        if text(call.child_by_field_name("method")) == "each":
            source = call.child_by_field_name("receiver")
        is_call = source is not None and source.type == "call"
        if source and is_call and text(source.child_by_field_name("method")) == "sort":
            source = source.child_by_field_name("receiver")
        if source is None:
            return None
        if source.type in _LISTS:
            words = [child for child in source.named_children[:_MAX_VALUES] if child.type != "comment"]
            values = [_word(child) for child in words]
            return Loop(variable, tuple(values)) if all(values) else None
        pattern = self._pattern(source)
        return Loop(variable, pattern=pattern) if pattern else None

    def _pattern(self, node: Node) -> str:
        """The pattern of `Dir[…]` and `Dir.glob(…)`."""
        if node.type == "element_reference" and _name(node.child_by_field_name("object")) == "Dir":
            given = node.named_children[1:]
        elif node.type == "call" and _name(node.child_by_field_name("receiver")) == "Dir":
            given = _arguments(node) if text(node.child_by_field_name("method")) == "glob" else []
        else:
            given = []
        return (self.value(given[0], {}) or "") if len(given) == 1 else ""

    def _string(self, node: Node, bound: Mapping[str, str], depth: int) -> str | None:
        parts: list[str] = []
        for child in node.named_children:
            part: str | None = None
            if child.type == "string_content":
                part = text(child)
            elif child.type == "interpolation" and child.named_child_count == 1:
                part = self.value(child.named_child(0), bound, depth + 1)
            if part is None or (parts and part[:1] in (HERE, PROJECT)):
                return None
            parts.append(part)
        return "".join(parts)

    def _named(self, name: str, bound: Mapping[str, str], depth: int) -> str | None:
        if name in bound:
            return bound[name]
        if name == "__dir__":
            return HERE
        if name == "__FILE__":
            return f"{HERE}/__FILE__"
        if self._values is None:
            self._values = {}
            for node in self._assignments:
                key = text(node.child_by_field_name("left"))
                self._values[key] = None if key in self._values else node.child_by_field_name("right")
        return self.value(self._values.get(name), bound, depth + 1)

    def _called(self, node: Node, bound: Mapping[str, str], depth: int) -> str | None:
        method, receiver = text(node.child_by_field_name("method")), node.child_by_field_name("receiver")
        if receiver is None and method == "__dir__":
            return HERE
        if _name(receiver) == "Rails" and method == "root":
            return PROJECT
        values = [self.value(given, bound, depth + 1) for given in _arguments(node)]
        if None in values:
            return None
        told = [value for value in values if value is not None]
        if _name(receiver) in _FILES:
            return _of_file(method, told)
        if method == "Pathname" or (method == "new" and _name(receiver) == "Pathname"):
            return told[0] if len(told) == 1 else None
        start = self.value(receiver, bound, depth + 1) if receiver is not None else None
        if start is None:
            return None
        if method == "join":
            return "/".join([start, *told])
        if method in ("parent", "dirname") and not told:
            return _folder(start)
        return start if method in _SAME and not told else None


def _of_file(method: str, values: list[str]) -> str | None:
    if method == "join" and values:
        return "/".join(values)
    if method == "dirname" and len(values) == 1:
        return _folder(values[0])
    if method not in ("expand_path", "absolute_path", "realpath") or not 1 <= len(values) <= 2:
        return None
    path, base = values[0], values[1] if len(values) == 2 else PROJECT
    if path.startswith("~") or base[:1] not in (HERE, PROJECT):
        return None
    return path if path[:1] in (HERE, PROJECT, "/") else f"{base}/{path}"


def _folder(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder if slash and name not in ("", ".", "..") else f"{path}/.."


def _name(node: Node | None) -> str:
    """The text of a constant; anything else may be long, and be in something longer."""
    return text(node) if node is not None and node.type in ("constant", "scope_resolution") else ""


def _word(node: Node) -> str:
    inner = [child.type for child in node.named_children]
    return text(node.named_child(0)) if inner == ["string_content"] else ""


def _arguments(call: Node) -> list[Node]:
    given = call.child_by_field_name("arguments")
    return [child for child in given.named_children if child.type != "comment"] if given else []


def loaded(call: Node, kind: str, paths: Paths, loop: Loop | None, container: str) -> Iterator[Import]:
    """What one of :data:`LOADS` asks for. ``container`` is the path of constants that are given none."""
    method, given = text(call.child_by_field_name("method")), _arguments(call)
    if method == "autoload":
        yield from _autoloaded(given, paths, container)
        return
    if not given or len(given) > (2 if method == "load" else 1):
        return
    if loop and loop.pattern and given[0].type == "identifier" and text(given[0]) == loop.variable:
        yield _asked("glob", loop.pattern, kind)
        return
    for bound in paths.turns(loop):
        value = paths.value(given[0], bound)
        if value:
            yield _asked(method, value, kind)
        elif method != "load" and given[0].type not in ("simple_symbol", "integer", "hash"):
            is_short = call.end_byte - call.start_byte <= 10 * _MAX_WRITTEN
            written = " ".join(text(call).split()) if is_short else f"{method} …"
            yield Import(bounded(written, _MAX_WRITTEN), kind=kind, form="dynamic")
            return


def _asked(method: str, value: str, kind: str) -> Import:
    is_exact = method in ("load", "eval_gemfile")
    if method == "glob":
        form = "glob"
    elif value[:1] == HERE or method in ("require_relative", "eval_gemfile"):
        form = "exact" if is_exact else "relative"
    else:
        form = "load" if is_exact else "require"
    if value[:1] == HERE:
        value = value.removeprefix(HERE).lstrip("/").removeprefix("__FILE__/../")
    return Import(value, kind=kind, form=form)


def _autoloaded(given: list[Node], paths: Paths, container: str) -> Iterator[Import]:
    name = text(given[0]).strip(":\"'") if given and given[0].type in ("simple_symbol", "string") else ""
    if not re.fullmatch(r"[A-Z]\w*", name):
        return
    if len(given) == 2 and (value := paths.value(given[1], {})):
        yield _asked("autoload", value, "lazy")
    elif len(given) == 1 and container:
        path = container + name if container.endswith("::") else container
        yield Import(underscored(path), kind="lazy", form="require")


def underscored(name: str) -> str:
    """The path that a constant's name has by convention, as Active Support's `underscore` makes it."""
    words = re.sub(r"([A-Z\d]+)([A-Z][a-z])", r"\1_\2", name.replace("::", "/"))
    return re.sub(r"([a-z\d])([A-Z])", r"\1_\2", words).lower()
