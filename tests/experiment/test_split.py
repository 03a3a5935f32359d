"""Nothing is evaluated that was trained on, under whatever name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from builder import UserError
from builder.cli import main
from builder.repository import SourceFile
from builder.rows import read_rows
from builder.selection import nearest_copies
from experiment.split import check_held_out, check_split, read_side
from experiment.stages import ROOT

from .conftest import TEST, side_of


@pytest.fixture(scope="module")
def with_a_copy(projects, server, model, tmp_path_factory) -> tuple[Path, str, str]:
    """Plain code, of which a held-out project has a file of a trained one with other names.

    The dataset, and the two files.
    """
    import shutil

    folder = tmp_path_factory.mktemp("copied")
    sides = {side: [p for p in projects if side_of(p) == side] for side in ("train", "test")}
    trained, held_out = sides["train"][0], sides["test"][0]
    for project in projects:
        shutil.copytree(project, folder / "projects" / project.name)
    text = (trained / f"{trained.name}_0.py").read_text()
    text = text.replace(trained.name, "planted").replace("rows", "cells").replace("size", "width")
    (folder / "projects" / held_out.name / "planted.py").write_text(
        "# Not to be told by its first lines.\n" + text
    )
    sources = [str(folder / "projects" / project.name) for project in projects]
    options = [
        f"--output={folder / 'dataset'}",
        "--validation=0",
        f"--test={TEST}",
        '--configs=["raw-repos"]',
    ]
    main(
        [
            "build",
            *sources,
            *options,
            f"--llm={server}",
            f"--tokenizer={model}",
            f"--store={folder / 'answers'}",
        ]
    )
    rows = {row["repository"]: row["id"] for row in read_rows(folder / "dataset", "raw-repos")}
    ids = {name: row_id for repository, row_id in rows.items() for name in (repository.rpartition("/")[2],)}
    return (
        folder / "dataset",
        f"{ids[held_out.name]}/planted.py",
        f"{ids[trained.name]}/{trained.name}_0.py",
    )


def test_sides_share_no_repository_and_no_near_copy(with_a_copy):
    dataset, copy, original = with_a_copy
    found = check_split(dataset, ["raw-repos"], 0.5)
    train, held_out = (set(found["repositories"][side]) for side in ("train", "held_out"))
    assert train
    assert held_out
    assert not train & held_out
    assert [(entry["file"], entry["of"]) for entry in found["near_duplicates"]] == [(copy, original)]
    assert found["near_duplicate_files_dropped"] == 1
    assert found["greatest_likeness_left"] < 0.5

    # What is left has no near copy: by all pairs, without sketches.
    sides = [read_side(dataset, split).files for split in ("test", "train")]
    left = [file for name, file in sides[0].items() if name != copy]
    trained = list(sides[1].values())
    for file in left:
        assert all((nearest_copies([file], [other], 0.0)[0] or (0, 0.0))[1] < 0.5 for other in trained)


def test_a_dropped_file_that_was_evaluated_all_the_same_is_refused(with_a_copy):
    dataset, copy, original = with_a_copy
    split = check_split(dataset, ["raw-repos"], 0.5)

    def results(name: str, group: str) -> dict:
        return {"measures": [{"name": "reconstruction/nothing", "items": [{"id": name, "group": group}]}]}

    group = split["repositories"]["held_out"][0]
    check_held_out(results(f"{group}@1/whole.py", group), split)
    with pytest.raises(UserError, match="which is not held out"):
        check_held_out(results(copy, group), split)
    with pytest.raises(UserError, match="which is not held out"):
        check_held_out(results(original, split["repositories"]["train"][0]), split)


def test_arms_are_of_the_same_repositories(built, tmp_path):
    import shutil

    assert check_split(built, ["raw-repos", "repo2agent-search"], 0.5)["near_duplicates"] == []
    shutil.copytree(built, tmp_path / "odd")
    next((tmp_path / "odd/data/repo2agent-search").glob("test-*")).unlink()
    with pytest.raises(UserError, match="repo2agent-search and raw-repos differ in their test repositories"):
        check_split(tmp_path / "odd", ["raw-repos", "repo2agent-search"], 0.5)
    with pytest.raises(UserError, match="has no rows of spec-only"):
        check_split(built, ["spec-only"], 0.5)


def test_one_side_alone_is_no_split(built, tmp_path):
    import shutil

    shutil.copytree(built, tmp_path / "one")
    next((tmp_path / "one/data/raw-repos").glob("test-*")).unlink()
    command = [sys.executable, "-m", "experiment.split", tmp_path / "one", "--output", tmp_path / "split"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == (
        f"error: {tmp_path / 'one'}: no code in its test split; build more repositories, or set test, "
        "the share that is held out\n"
    )
    assert not (tmp_path / "split").exists()


def test_the_files_to_leave_out_are_written_down(with_a_copy, tmp_path):
    dataset, copy, _ = with_a_copy
    command = [sys.executable, "-m", "experiment.split", dataset, "--output", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "exclude.txt").read_text() == f"{copy}\n"
    found = json.loads((tmp_path / "split.json").read_text())
    assert found["held_out"]["files"] > found["near_duplicate_files_dropped"] == 1


def test_equal_files_are_copies_however_short():
    def file(path: str, content: str) -> SourceFile:
        return SourceFile(path, content, "utf-8", len(content), "")

    others = [file("a.py", "x = 1\n"), file("b.py", "")]
    assert nearest_copies([file("c.py", "x = 1\n"), file("d.py", "y = f\n")], others, 0.5) == [(0, 1.0), None]
    assert nearest_copies([file("c.py", "x = 1\n")], [], 0.5) == [None]
