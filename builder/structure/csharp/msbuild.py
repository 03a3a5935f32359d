"""What MSBuild's files say that matters to C#: read as text, with properties filled in, nothing evaluated."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from builder.structure.csharp.facts import Using
from builder.structure.paths import join, normalised, parents

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_CONDITIONAL = re.compile(r"<ItemGroup\s[^<>]*\bCondition\b[^<>]*>.*?(?:</ItemGroup>|\Z)", re.DOTALL)
_ITEM = re.compile(r"<(ProjectReference|Compile|Using|Import|InternalsVisibleTo)\b([^<>]*)>")
_ATTRIBUTE = re.compile(r"([\w.]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_PROPERTY = re.compile(r"<(\w+)(?:\s[^<>]*)?>([^<>]*)</\1\s*>")
_VARIABLE = re.compile(r"\$\((\w+)\)")
_NOT_OUTPUT = re.compile(r"<ReferenceOutputAssembly>\s*false\s*<", re.IGNORECASE)
_SDK = re.compile(r"<Project\s[^<>]*\bSdk\s*=|<Sdk\s|<Import\s[^<>]*\bSdk\s*=")
_WILD = re.compile(r"\*\*/|\*|\?")
_MAX_IMPORTED, _MAX_PATTERNS, _MAX_WILD, _MAX_VALUE = 50, 200, 4, 1_000


class Files:
    """The source files of a repository, to be found by MSBuild's patterns."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = sorted(paths)
        self._known = frozenset(self.paths)
        self._found: dict[str, tuple[str, ...]] = {}

    def fitting(self, pattern: str) -> tuple[str, ...]:
        """The files that a pattern, relative to the repository, fits."""
        if "*" not in pattern and "?" not in pattern:
            return (pattern,) if pattern in self._known else ()
        if pattern not in self._found:
            self._found[pattern] = tuple(self._search(pattern))
        return self._found[pattern]

    def _search(self, pattern: str) -> Iterator[str]:
        if len(_WILD.findall(pattern)) > _MAX_WILD:
            return
        if pattern.endswith("**"):
            pattern += "/*"
        parts = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
        expression = re.compile(
            re.sub(r"\*\*/|\*|\?|[^*?]+", lambda m: parts.get(m[0]) or re.escape(m[0]), pattern)
        )
        prefix = re.split(r"[*?]", pattern, maxsplit=1)[0].rpartition("/")[0]
        prefix = f"{prefix}/" if prefix else ""
        for path in self.paths[bisect_left(self.paths, prefix) :]:
            if not path.startswith(prefix):
                break
            if expression.fullmatch(path):
                yield path


@dataclass
class Document:
    """One project, with what it imports. Patterns and references are relative to the repository."""

    takes_all: bool = False
    names: frozenset[str] = frozenset()
    references: set[str] = field(default_factory=set)
    included: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    usings: list[Using] = field(default_factory=list)
    friends: frozenset[str] = frozenset()


def evaluated(path: str, contents: Mapping[str, str]) -> Document:
    """What the project at ``path`` says; ``contents`` are those of all files that it may import."""
    folder, _, name = path.rpartition("/")
    stem = name.removesuffix(".csproj")
    variables = {
        "MSBuildProjectDirectory": f"/{folder}",
        "MSBuildProjectName": stem,
        "AssemblyName": stem,
        "RootNamespace": stem,
    }
    project = Document(takes_all=bool(_SDK.search(contents[path])))
    for document, raw in _texts(path, contents, variables):
        text = _COMMENT.sub("", raw)
        variables["MSBuildThisFileDirectory"] = "/" + join(document.rpartition("/")[0], "")
        variables["MSBuildThisFileDirectory"] = variables["MSBuildThisFileDirectory"].rstrip("/") + "/"
        for key, value in _PROPERTY.findall(text):
            variables[key] = _filled(value.strip(), variables)
        always = _CONDITIONAL.sub("", text)
        for match in _ITEM.finditer(text):
            _add_item(project, match, text, folder, variables)
        for kind, written in _ITEM.findall(always):
            attributes = _attributes(written)
            if kind == "Compile" and "Condition" not in attributes:
                project.removed += _patterns(attributes.get("Remove", ""), folder, variables)
    if variables.get("EnableDefaultCompileItems", variables.get("EnableDefaultItems", "")).lower() == "false":
        project.takes_all = False
    project.names = frozenset({stem, variables["AssemblyName"]})
    return project


def _add_item(
    project: Document, match: re.Match[str], text: str, folder: str, variables: Mapping[str, str]
) -> None:
    kind, attributes = match[1], _attributes(match[2])
    included = attributes.get("Include", "")
    if kind == "Compile" and len(project.included) < _MAX_PATTERNS:
        project.included += _patterns(included, folder, variables)
    elif kind == "ProjectReference":
        inside = "" if match[2].endswith("/") else text[match.end() : match.end() + 400]
        is_output = attributes.get("ReferenceOutputAssembly", "").lower() != "false"
        if is_output and not _NOT_OUTPUT.search(inside.partition("</ProjectReference")[0]):
            project.references.update(_patterns(included, folder, variables))
    elif kind == "Using" and included:
        is_static = attributes.get("Static", "").lower() == "true"
        project.usings.append(Using(included.strip(), attributes.get("Alias", ""), is_static, True))
    elif kind == "InternalsVisibleTo" and included:
        name = _filled(included, variables).partition(",")[0].strip()
        project.friends |= {"*" if "$(" in name else name}


def _texts(path: str, contents: Mapping[str, str], variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A project's text after those that it imports, with their paths."""
    around = [
        next((place for place in (join(folder, name) for folder in parents(path)) if place in contents), None)
        for name in ("Directory.Build.props", "Directory.Build.targets")
    ]
    seen: dict[str, None] = {}
    waiting = [document for document in (around[1], path, around[0]) if document is not None]
    while waiting and len(seen) < _MAX_IMPORTED:
        document = waiting.pop()
        if document in seen:
            continue
        seen[document] = None
        for kind, written in _ITEM.findall(_COMMENT.sub("", contents[document])):
            if kind == "Import" and (
                target := _imported(document, _attributes(written), contents, variables)
            ):
                waiting.append(target)
    # What was imported defines what the importer may use.
    yield from ((document, contents[document]) for document in reversed(seen) if document != path)
    yield path, contents[path]


def _imported(
    document: str, attributes: Mapping[str, str], contents: Mapping[str, str], variables: Mapping[str, str]
) -> str | None:
    wanted = attributes.get("Project", "").replace("\\", "/")
    folder = document.rpartition("/")[0]
    name = wanted.rpartition("/")[2].partition("'")[0].strip("()")
    if "GetPathOfFileAbove" in wanted:
        name = "Directory.Build.targets" if "Directory.Build.targets" in wanted else "Directory.Build.props"
        places = (join(above, name) for above in parents(folder) if folder)
        return next((place for place in places if place in contents), None)
    here = {**variables, "MSBuildThisFileDirectory": f"/{folder}/" if folder else "/"}
    target = _path(_filled(wanted, here), folder)
    return target if target in contents else None


def _attributes(written: str) -> dict[str, str]:
    return {name: double or single for name, double, single in _ATTRIBUTE.findall(written)}


def _patterns(written: str, folder: str, variables: Mapping[str, str]) -> list[str]:
    values = (_path(part.strip(), folder) for part in _filled(written, variables).split(";") if part.strip())
    return [value for value in values if value is not None]


def _path(written: str, folder: str) -> str | None:
    """A path relative to the repository; one that begins with a slash was made so by a property."""
    written = written.replace("\\", "/")
    if "$(" in written or "@(" in written or "%" in written:
        return None
    return normalised("" if written.startswith("/") else folder, written)


def _filled(value: str, variables: Mapping[str, str]) -> str:
    filled = _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), value)
    return filled if len(filled) <= _MAX_VALUE else ""
