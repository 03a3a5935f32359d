"""What `include` and `require` name: templates of paths, see :mod:`builder.structure.php.files`, filled in.

A constant counts where all of its definitions in the repository come to one path.

PHP looks for a relative path first in folders that only a run would tell, such as that of the script that was
started, and then beside the including file: it counts as beside, unless there is such a path in the folder of
a script that may have been started, or in the root. One that begins with a dot is never looked for beside the
including file: it counts where that file itself, or one in its folder, must have been started.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Mapping

from builder.repository import Repository
from builder.structure.languages import Facts, Import
from builder.structure.paths import normalised
from builder.structure.php.programs import Programs

_PLACE = re.compile(r"\{([^}]*)\}")
_MAX_DEPTH = 8  # of constants in constants
_MAX_PATH = 1_000
_VENDORED = {"vendor", "vendors"}


class Target(enum.Enum):
    """Where a path leads."""

    INSIDE = enum.auto()
    OUTSIDE = enum.auto()
    UNKNOWN = enum.auto()


class Includes:
    """The included paths of a repository."""

    def __init__(self, facts: Mapping[str, Facts], repository: Repository) -> None:
        self._paths = {file.path for file in repository.files}
        self._templates: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for path, known in facts.items():
            for wanted in known.imports:
                if wanted.kind == "declare" and wanted.form == "constant":
                    self._templates[wanted.module].add((path.rpartition("/")[0], wanted.name))
        self._values: dict[str, str | None] = {}

    def find(self, path: str, wanted: Import) -> tuple[str, Target]:
        """The file that an include names, as seen from the file at ``path``."""
        folder = path.rpartition("/")[0]
        value = self._filled(wanted.name, folder, _MAX_DEPTH) if wanted.name else None
        if not value:
            return "", Target.UNKNOWN
        target = normalised("" if value.startswith("/") else folder, value)
        if target is None:
            return "", Target.UNKNOWN
        if target in self._paths:
            return target, Target.INSIDE
        if _VENDORED & set(target.split("/")[:-1]) and value.startswith("/"):
            return target, Target.OUTSIDE
        return "", Target.UNKNOWN

    def is_sure(self, path: str, wanted: Import, programs: Programs) -> bool:
        """Whether an include leads to one file, whichever script was started."""
        folder = path.rpartition("/")[0]
        value = self._filled(wanted.name, folder, _MAX_DEPTH) or ""
        if value.startswith("/"):
            return True
        scripts = programs.above(path)
        folders = {script.rpartition("/")[0] for script in scripts} - {folder}
        if not scripts or (value.startswith(".") and folders):
            return False
        return not any(normalised(place, value) in self._paths for place in folders | ({""} - {folder}))

    def _filled(self, template: str, folder: str, depth: int) -> str | None:
        """A template with the values of its constants; `/` at its start is the root of the repository.

        ``None`` where it cannot be told, as with literal paths from the root of a machine.
        """
        if template.startswith("/") or depth == 0:
            return None
        filled = ""
        position = 0
        for match in _PLACE.finditer(template):
            names = match[1].split("|")
            value: str | None = f"/{folder}" if names == ["__DIR__"] else None
            if value is None:
                name = next((name for name in names if name in self._templates), "")
                value = self._value(name, depth - 1) if name else None
            if value is None:
                return None
            filled += template[position : match.start()] + value
            position = match.end()
            if len(filled) > _MAX_PATH:
                return None
        return filled + template[position:]

    def _value(self, name: str, depth: int) -> str | None:
        if name not in self._values:
            self._values[name] = None  # for one that is made of itself
            found = {self._filled(template, folder, depth) for folder, template in self._templates[name]}
            values = {_tidied(value) for value in found}
            self._values[name] = values.pop() if len(values) == 1 else None
        return self._values[name]


def _tidied(value: str | None) -> str | None:
    """A path from the root without dots, so that equal paths are equal."""
    if value is None or not value.startswith("/"):
        return value
    path = normalised("", value)
    return None if path is None else f"/{path}/".replace("//", "/") if value.endswith("/") else f"/{path}"
