"""The house's rules: imports point one way, and a room is entered by its door."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the top of the house to its ground. Rooms on one floor know nothing of each other.
FLOORS = [
    {"cli"},
    {"trajectories", "registration"},
    {"scale"},
    {"hub"},
    {"pipeline", "report"},
    {"config"},
    {"rows"},
    {"search"},
    {"agents"},
    {"trajectory", "llm", "selection"},
    {"structure"},
    {"repository"},
    {"errors", "cache"},
]
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}


def imports(path: Path) -> set[str]:
    """Full names of what a module imports; ``from a import b`` counts as ``a``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


MODULES = sorted((ROOT / "builder").rglob("*.py"))
TRAINER = sorted((ROOT / "trainer").rglob("*.py"))
EXPERIMENT = sorted((ROOT / "experiment").rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "builder").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down_and_enter_by_the_door(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in FLOOR_OF, f"{room} has no floor: add it to FLOORS"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] in ("trainer", "experiment"):
            pytest.fail(f"{path} imports {name}")
        if parts[0] != "builder" or len(parts) == 1 or parts[1] == room:
            continue
        assert FLOOR_OF[parts[1]] > FLOOR_OF[room], f"{path} ({room}) imports {name}, which is not below it"
        assert len(parts) == 2, f"{path} imports {name}, past the door of builder/{parts[1]}"


@pytest.mark.parametrize("path", TRAINER, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_trainer_knows_only_the_front_door(path: Path) -> None:
    inside = {name for name in imports(path) if name.startswith(("builder.", "experiment"))}
    assert not inside, f"{path} imports {sorted(inside)}; it reads rows and imports from `builder` itself"


@pytest.mark.parametrize("path", EXPERIMENT, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_experiment_enters_by_doors(path: Path) -> None:
    """Rooms of the builder by theirs, and its own report; nobody needs it."""
    inside = {name for name in imports(path) if name.startswith("builder.") and name.count(".") > 1}
    if path.parent.name != "report":
        inside |= {name for name in imports(path) if name.startswith("experiment.report.")}
    assert not inside, f"{path} imports {sorted(inside)}, past the door"


@pytest.mark.parametrize("module", ["builder.cli", "experiment.__main__"])
def test_heavy_imports_wait_until_they_are_used(module: str) -> None:
    """`repo2agent --help` must not wait for any of these, and an experiment that is finished neither."""
    import subprocess
    import sys

    code = (
        f"import sys; import {module}; "
        "print(*{'torch', 'transformers', 'datasets', 'tree_sitter', 'pyarrow'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
