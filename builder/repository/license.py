"""The licence of a repository as an SPDX expression: from package metadata first, else from licence texts."""

from __future__ import annotations

import configparser
import email.parser
import json
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.repository.filters import is_license_text

_METADATA = re.compile(
    r"PKG-INFO|[^/]+\.dist-info/METADATA|pyproject\.toml|setup\.cfg|package\.json|Cargo\.toml|composer\.json"
)
_REUSE = "LICENSES/"  # where REUSE keeps each licence that is in use, as `<SPDX id>.txt`
_LICENSE_FOLDER = re.compile(r"(?:LICENSES?/|[^/]+\.dist-info/(?:licenses/)?)?[^/]+")

_BROKEN = (ValueError, configparser.Error, AttributeError, TypeError, RecursionError)

# Trove classifiers that name one licence. "BSD License" and the bare GNU ones name families.
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "zlib/libpng License": "Zlib",
}


def is_evidence(path: str) -> bool:
    """Whether the file at ``path`` may tell the licence: metadata and licence texts near the root."""
    return bool(_METADATA.fullmatch(path)) or (
        is_license_text(path) and bool(_LICENSE_FOLDER.fullmatch(path))
    )


def detect(evidence: Mapping[str, str]) -> str:
    """The SPDX expression that ``evidence`` (texts by path) gives, or ``""``.

    Several licence texts side by side become ``A AND B``: which of them apply is not for us to choose.
    """
    paths = sorted(evidence)
    for path in paths:
        if _METADATA.fullmatch(path):
            for declared in _declared(path, evidence[path]):
                if expression := canonical(declared):
                    return expression
    texts = [path for path in paths if is_license_text(path)]
    found = {identified(evidence[path]) for path in texts if not path.startswith(_REUSE)} - {""}
    found = found or {_named(path) or identified(evidence[path]) for path in texts if path.startswith(_REUSE)}
    return canonical(" AND ".join(sorted(found - {""})))


def states_one(path: str, text: str) -> bool:
    """Whether the evidence at ``path`` states a licence at all, known or not; a NOTICE does not."""
    if is_license_text(path):
        return not re.match(r"(?:NOTICE|COPYRIGHT)", path.rpartition("/")[2], re.IGNORECASE)
    return any(isinstance(declared, str) and declared.strip() for declared in _declared(path, text))


def _named(path: str) -> str:
    return canonical(path.removeprefix(_REUSE).rpartition(".")[0])


def authors(evidence: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the authors that the first metadata among ``evidence`` gives, without their addresses."""
    for path in sorted(evidence):
        if _METADATA.fullmatch(path):
            try:
                listed = list(_listed_authors(path.rpartition("/")[2], evidence[path]))
            except _BROKEN:
                continue
            names = [
                " ".join(re.split("[<(]", name, maxsplit=1)[0].split())
                for name in listed
                if isinstance(name, str)
            ]
            if any(names):
                return tuple(dict.fromkeys(filter(None, names)))
    return ()


def _listed_authors(name: str, text: str) -> Iterator[Any]:
    if name in ("PKG-INFO", "METADATA"):
        message = email.parser.HeaderParser().parsestr(text)
        yield from re.split(", *", str(message.get("Author") or message.get("Author-email", "")))
    elif name == "setup.cfg":
        yield _config(text).get("metadata", "author", fallback="")
    else:
        if name.endswith(".toml"):
            root = tomllib.loads(text)
            workspace, poetry = root.get("workspace", {}), root.get("tool", {}).get("poetry", {})
            tables = [root.get("project", {}), root.get("package", {}), workspace.get("package", {}), poetry]
        else:
            tables = [json.loads(text)]
        for table in tables:
            several = table.get("authors")
            for author in [table.get("author"), *(several if isinstance(several, list) else [])]:
                yield author.get("name") if isinstance(author, dict) else author


def _declared(path: str, text: str) -> Iterator[str]:
    try:
        yield from _fields(path.rpartition("/")[2], text)
    except _BROKEN:
        return  # broken metadata declares nothing


def _config(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    return parser


def _fields(name: str, text: str) -> Iterator[str]:
    if name in ("PKG-INFO", "METADATA"):
        message = email.parser.HeaderParser().parsestr(text)
        yield str(message.get("License-Expression", ""))
        yield str(message.get("License", ""))
        yield _from_classifiers([str(value) for value in message.get_all("Classifier", [])])
    elif name == "setup.cfg":
        parser = _config(text)
        yield parser.get("metadata", "license", fallback="")
        yield _from_classifiers(parser.get("metadata", "classifiers", fallback="").splitlines())
    elif name.endswith(".toml"):
        tables = tomllib.loads(text)
        project: dict[str, Any] = tables.get("project", {})
        workspace = tables.get("workspace", {}).get("package", {})  # whose members inherit it
        for table in (
            project,
            tables.get("package", {}),
            workspace,
            tables.get("tool", {}).get("poetry", {}),
        ):
            license = table.get("license", "")
            yield license.get("text", "") if isinstance(license, dict) else license
        yield _from_classifiers(project.get("classifiers", []))
    else:
        license = json.loads(text).get("license", "")
        yield license.get("type", "") if isinstance(license, dict) else license


def _from_classifiers(classifiers: list[str]) -> str:
    licenses = [line.strip().rpartition(" :: ")[2] for line in classifiers if "License ::" in line]
    return _CLASSIFIERS.get(licenses[0], "") if len(licenses) == 1 else ""


def canonical(expression: object) -> str:
    """``expression`` as SPDX writes it, or ``""`` where it is none."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if not isinstance(expression, str) or not 0 < len(expression) < 200:
        return ""
    try:
        return str(canonicalize_license_expression(expression))
    except InvalidLicenseExpression:
        return ""


def identified(text: str) -> str:
    """The SPDX id of the licence whose text ``text`` is, with at most 5 % changed, or ``""``."""
    from identify.identify import license_id

    if len(text) > 100_000:  # three times the GPL: no licence, and edit distance is quadratic
        return ""
    # identify looks for copyright lines from every blank one, to the end of the blank ones.
    text = "\n".join(line for line in text.splitlines() if line.strip())
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:  # identify reads files only
        Path(file.name).write_text(text, encoding="utf-8")
        return license_id(file.name) or ""
