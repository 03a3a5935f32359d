"""What selection must find: copies of repositories as copyists make them, and a few problems of HumanEval.

The problems are kept encoded: this repository must not spread them.
"""

from __future__ import annotations

import base64
import builtins
import json
import keyword
import random
import re
import subprocess
import sys
import zlib
from pathlib import Path

from builder.repository import Repository, SourceFile
from builder.structure import STRUCTURED, detect

_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_LITERAL_OR_COMMENT = re.compile(
    r"((?:#|//)[^\n]*|/\*.*?\*/|\b[rbfuRBFU]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'))",
    re.DOTALL,
)
_JAVASCRIPT = {
    "arguments", "async", "await", "break", "case", "catch", "class", "const", "continue", "default",
    "delete", "do", "else", "export", "exports", "extends", "false", "finally", "for", "from", "function",
    "get", "if", "import", "in", "instanceof", "let", "module", "new", "null", "of", "require", "return",
    "set", "static", "super", "switch", "this", "throw", "true", "try", "typeof", "undefined", "var",
    "void", "while", "with", "yield",
}  # fmt: skip

_ENCODED = (Path(__file__).parent / "problems.zlib.b64").read_text()
PROBLEMS = {
    problem["task_id"]: problem for problem in json.loads(zlib.decompress(base64.b64decode(_ENCODED)))
}


def solved(task: str) -> str:
    """A problem of HumanEval with its solution."""
    return PROBLEMS[task]["prompt"] + PROBLEMS[task]["canonical_solution"]


def plant(
    repository: Repository,
    root: Path,
    *,
    renamed: bool = True,
    styled: bool = True,
    edited: float = 0.05,
    identifiers: bool = False,
    seed: int = 0,
) -> Path:
    """A copy of ``repository`` at ``root``: files ``renamed``, laid out anew, a share of lines changed.

    With ``identifiers`` every name in the code is another one too.
    """
    chance = random.Random(seed)
    code = [file for file in repository.files if detect(file.path, file.content) in STRUCTURED]
    words = (
        {} if not identifiers else {name: f"x{number}_{name[:2]}" for number, name in enumerate(_names(code))}
    )
    for number, file in enumerate(repository.files):
        path, text = file.path, file.content
        if file in code:
            if styled:
                text = restyle(path, text)
            if edited:
                text = edit(text, edited, chance)
            if words:
                text = rename(text, words)
            if renamed:
                folder, _, name = path.rpartition("/")
                path = f"renamed/{folder}/part{number}.{name.rpartition('.')[2]}" if "." in name else path
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode("utf-8", "surrogatepass"))
    return root


def edit(text: str, share: float, chance: random.Random) -> str:
    """``text`` with a share of its code lines given another name, followed by a new one, or removed."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if not line.strip() or chance.random() >= share:
            continue
        names = _NAME.findall(line)
        kind = chance.random()
        if kind < 0.5 and names:
            lines[at] = line.replace(chance.choice(names), f"changed_{chance.randrange(100)}", 1)
        elif kind < 0.75:
            indent = line[: len(line) - len(line.lstrip())]
            lines[at] = f"{line}\n{indent}added_{chance.randrange(100)} = {chance.randrange(100)}"
        else:
            lines[at] = ""
    return "\n".join(lines)


def rename(text: str, words: dict[str, str]) -> str:
    """``text`` with its names replaced, outside of strings."""
    parts = _LITERAL_OR_COMMENT.split(text)
    return "".join(
        part if at % 2 else _NAME.sub(lambda match: words.get(match[0], match[0]), part)
        for at, part in enumerate(parts)
    )


def restyle(path: str, text: str) -> str:
    """``text`` in another layout: Python's by ruff; else tabs, other quotes, no semicolons or blank lines."""
    if path.endswith((".py", ".pyi")):
        command = [
            sys.executable,
            "-m",
            "ruff",
            "format",
            "--isolated",
            "--line-length=60",
            "--config",
            "format.quote-style='single'",
            "--config",
            "format.indent-style='tab'",
            "--stdin-filename",
            path,
        ]
        made = subprocess.run(
            [*command, "-"], input=text.encode("utf-8", "surrogatepass"), capture_output=True, check=False
        )
        return made.stdout.decode("utf-8", "surrogatepass") if made.returncode == 0 else text
    lines = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        body = line.lstrip(" ")
        indent = "\t" * ((len(line) - len(body)) // 2)
        body = re.sub(r"'([^'\"\\\n`]*)'", r'"\1"', body)
        lines.append(indent + re.sub(r";\s*$", "", body))
    return "\n".join(lines) + "\n"


def _names(files: list[SourceFile]) -> list[str]:
    fixed = _JAVASCRIPT | set(keyword.kwlist) | set(keyword.softkwlist) | set(dir(builtins)) | {"self", "cls"}
    found = {name for file in files for name in _NAME.findall(file.content)}
    return sorted(found - fixed)
