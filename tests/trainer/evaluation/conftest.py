"""Held-out rows as a build writes them, and a random model that reads them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.agents import AgentOptions, Team
from builder.hub import write_card
from builder.rows import Provenance, raw_row, trajectory_row, write_dataset
from builder.structure import analyze
from builder.trajectory import DEFAULT_LOSS_ROLES
from trainer.evaluation import EvaluatedModel, load_model

SECRET = "token = 'placeholder-0001'\n"
CODE = {
    "README.md": "# Shapes\n\nComputes areas.\n",
    "area.py": (
        "import math\n\n\ndef circle(radius):\n"
        '    """Area of a circle."""\n'
        "    squared_radius = radius * radius\n"
        "    return math.pi * squared_radius\n"
    ),
    "report.py": (
        "from area import circle\nfrom names import title\n\n\ndef report(radii):\n"
        "    total_area = sum(circle(radius) for radius in radii)\n"
        "    return f'{title()}: {total_area}'\n"
    ),
    "names.py": "def title():\n    return 'total'\n\n\n" + SECRET,
    "pyproject.toml": "[project]\nname = 'shapes'\n",
    "setup.py": "from setuptools import setup\n\nsetup()\n",
}
CODE_PATHS = ["area.py", "names.py", "report.py"]  # `setup.py` is marked as boilerplate
NUM_REPOSITORIES = 3


@pytest.fixture(scope="session")
def held_out(make_repository, scripted, tmp_path_factory) -> Path:
    """A built folder: three repositories in the split `test`, as `repo2agent` and as `raw-repos`."""
    start = CODE["names.py"].index("'placeholder")
    made = make_repository(CODE, **{"names.py": ((start, start + len("'placeholder-0001'")),)})
    files = tuple(replace(file, boilerplate=file.path == "setup.py") for file in made.files)
    model = scripted()
    tables: dict[str, dict[str, list[Any]]] = {name: {"test": []} for name in ("repo2agent", "raw-repos")}
    for number in range(NUM_REPOSITORIES):
        contents = tuple(
            file if file.path != "area.py" else replace(file, content=file.content + f"\n\nSIZE = {number}\n")
            for file in files
        )
        blueprint = analyze(replace(made, identity=f"local/made-{number}", files=contents))
        trajectory = asyncio.run(Team(blueprint, model, AgentOptions(), seed=number).simulate())
        common = (blueprint, Provenance("g@1", "s@1", "p", 0, "0"), model.tokenizer, DEFAULT_LOSS_ROLES)
        tables["repo2agent"]["test"].append(trajectory_row(trajectory, *common))
        tables["raw-repos"]["test"].append(raw_row(*common))
    folder = tmp_path_factory.mktemp("held_out")
    write_dataset(folder, tables)
    write_card(folder)
    return folder


@pytest.fixture(scope="session")
def evaluated(tiny_directory) -> EvaluatedModel:
    """A random Llama, whose tokenizer puts a BOS in front of every text."""
    return load_model(str(tiny_directory))
