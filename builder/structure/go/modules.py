"""Go modules of a repository, and which folder an import path names for a file of them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from builder.repository import Repository
from builder.structure.paths import join, parents

_MODULE = re.compile(r"^\s*module\s+[\"`]?([^\s\"`]+)", re.MULTILINE)
_REPLACE = re.compile(r"^\s*(?:replace\s+)?([^\s=()]+)(?:\s+v\S+)?\s*=>\s*(\S+)[ \t]*$", re.MULTILINE)
_USE = re.compile(r"^\s*use\s+(?:\(([^)]*)\)|(\S+))", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*")


@dataclass(frozen=True)
class _Module:
    path: str
    replaced: tuple[tuple[str, str], ...]  # a module's path and the folder that stands for it


class Modules:
    """The modules of a repository by their folders."""

    def __init__(self, repository: Repository) -> None:
        self._modules: dict[str, _Module] = {}
        self._workspaces: dict[str, tuple[tuple[str, ...], _Module]] = {}
        for file in repository.files:
            folder, _, name = file.path.rpartition("/")
            content = _COMMENT.sub("", file.content) if name in ("go.mod", "go.work") else ""
            module = _Module("", tuple(_replaced(content, folder)))
            if name == "go.mod" and (match := _MODULE.search(content)):
                self._modules[folder] = _Module(match[1], module.replaced)
            elif name == "go.work":
                used = " ".join(block or single for block, single in _USE.findall(content)).split()
                self._workspaces[folder] = (tuple(_folder(folder, path) for path in used), module)

    def find(self, path: str, wanted: str) -> str | None:
        """The folder that ``wanted`` names for the file at ``path``; ``None`` if it is from outside.

        A file sees its own module, those that its ``go.mod`` replaces by a folder, and those that are used by
        the same ``go.work``; of several the one with the longest path counts.
        """
        home = next((folder for folder in parents(path) if folder in self._modules), None)
        if home is None:
            return None
        visible = {self._modules[home].path: home}
        for place in parents(path):
            if place in self._workspaces:
                used, work = self._workspaces[place]
                if home in used:
                    visible |= {self._modules[other].path: other for other in used if other in self._modules}
                    visible |= self._present(work)
                break
        visible |= self._present(self._modules[home])
        found = [module for module in visible if f"{wanted}/".startswith(f"{module}/")]
        if not found:
            return None
        module = max(found, key=len)
        folder = join(visible[module], wanted[len(module) :].strip("/"))
        nearest = next((place for place in (folder, *parents(folder)) if place in self._modules), None)
        # What lies in a module within the module has another path.
        return folder if nearest == visible[module] else None

    def _present(self, module: _Module) -> dict[str, str]:
        return {path: folder for path, folder in module.replaced if folder in self._modules}


def _replaced(content: str, folder: str) -> Iterator[tuple[str, str]]:
    for old, new in _REPLACE.findall(content):
        if new.startswith(("./", "../")) or new in (".", ".."):
            yield old.strip('"`'), _folder(folder, new)


def _folder(base: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(base, path.strip('"`'))).removeprefix(".").lstrip("/")
