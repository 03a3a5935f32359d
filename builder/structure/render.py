"""A blueprint for a person, for a program and for Graphviz."""

from __future__ import annotations

import json
from typing import Any

from builder.structure.types import Blueprint, Definition

_UNPARSED = "not parsed: too large or too slow"


def tree(blueprint: Blueprint) -> str:
    """The files as a tree with language, size, place in the order and what they need."""
    repository = blueprint.repository
    place = {path: index for index, path in enumerate(blueprint.order, 1)}
    needs: dict[str, list[str]] = {}
    for edge in blueprint.dependencies:
        kind = f" ({edge.kind})" if edge.kind != "import" else ""
        needs.setdefault(edge.source, []).append(edge.target + kind)
    details = {
        file.path: f"#{place[file.path]}  {blueprint.languages[file.path] or '?'}  {_size(file.num_bytes)}"
        for file in repository.files
    }
    for path in blueprint.unparsed:
        details[path] += f"  {_UNPARSED}"
    details |= {file.path: f"left out: {file.reason}" for file in repository.skipped}
    title = " ".join(part for part in (repository.identity, repository.revision, repository.license) if part)
    lines = [title]
    above: list[str] = []
    for path in sorted(details, key=lambda path: path.split("/")):
        *folders, name = path.rstrip("/").split("/")
        shared = 0
        while shared < min(len(above), len(folders)) and above[shared] == folders[shared]:
            shared += 1
        lines += ["  " * depth + folders[depth] + "/" for depth in range(shared, len(folders))]
        above = folders
        indent = "  " * len(folders)
        lines.append(f"{indent}{name}{'/' if path.endswith('/') else ''}  {details[path]}")
        lines += [f"{indent}    needs {target}" for target in needs.get(path, ())]
    lines += [f"unresolved in {path}: {name}" for path, name in blueprint.unresolved]
    if blueprint.external:
        lines.append("external: " + ", ".join(blueprint.external))
    num_bytes = sum(file.num_bytes for file in repository.files)
    lines.append(
        f"{len(repository.files)} files, {_size(num_bytes)}; {len(blueprint.dependencies)} dependencies; "
        f"{len(repository.skipped)} left out"
    )
    return "\n".join(lines)


def as_json(blueprint: Blueprint) -> dict[str, Any]:
    """The blueprint as plain data: paths relative to the root, ``/`` between parts, everything sorted.

    ``skipped`` says why a file was left out, or that it is included but could not be parsed.
    """
    repository = blueprint.repository
    unparsed = set(blueprint.unparsed)
    files = [
        {
            "path": file.path,
            "language": blueprint.languages[file.path],
            "bytes": file.num_bytes,
            "skipped": _UNPARSED if file.path in unparsed else None,
        }
        for file in repository.files
    ]
    files += [
        {"path": file.path, "language": "", "bytes": None, "skipped": file.reason}
        for file in repository.skipped
    ]
    return {
        "root": repository.identity,
        "files": sorted(files, key=lambda file: str(file["path"])),
        "dependencies": [
            {"source": edge.source, "target": edge.target, "kind": edge.kind}
            for edge in blueprint.dependencies
        ],
        "external": list(blueprint.external),
        "outlines": {
            path: [_entry(entry) for entry in outline] for path, outline in blueprint.outlines.items()
        },
        "order": list(blueprint.order),
    }


def as_dot(blueprint: Blueprint) -> str:
    """The dependency graph for Graphviz; edges that may give way are dashed."""
    lines = ["digraph dependencies {", "  rankdir=LR;", "  node [shape=box];"]
    connected = {path for edge in blueprint.dependencies for path in (edge.source, edge.target)}
    lines += [f"  {_quoted(path)};" for path in sorted(connected)]
    for edge in blueprint.dependencies:
        dashed = "style=dashed, " if edge.kind in ("type-only", "lazy") else ""
        style = "" if edge.kind == "import" else f" [{dashed}label={_quoted(edge.kind)}]"
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)}{style};")
    return "\n".join([*lines, "}"])


def _entry(entry: Definition) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "signature": entry.signature,
        "decorators": list(entry.decorators),
        "doc": entry.doc,
        "start_line": entry.start_line,
        "end_line": entry.end_line,
        "depth": entry.depth,
    }


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _size(num_bytes: int) -> str:
    return f"{num_bytes} B" if num_bytes < 1000 else f"{num_bytes / 1000:.1f} kB"
