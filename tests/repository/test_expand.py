"""Names that stand for many: globs, manifests, datasets of code."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builder.errors import UserError
from builder.repository import expand, fingerprint, identify, is_fetched, load


def dataset(path: Path, rows: list[dict], **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def row(repo: str, path: str, content: str | None = "x = 1\n", **more) -> dict:
    return {"repo_name": repo, "path": path, "content": content, **more}


def folders(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "a.py").write_text(f"NAME = {name!r}\n")


def error(*sources: str) -> str:
    with pytest.raises(UserError) as caught:
        list(expand(sources))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_single_repositories_stay_as_they_are_each_once(tmp_path):
    folders(tmp_path, "a")
    names = [
        str(tmp_path / "a"),
        "pkg:pypi/demo@1.0",
        "pkg:npm/%40scope/demo@1.0.0",
        "git+https://host.example/owner/name@main",
        "rows+owner/name@data/a.parquet#0-3",
    ]
    assert list(expand([*names, *names])) == names


def test_globs_are_sorted_and_know_folders(tmp_path, monkeypatch):
    folders(tmp_path, "src/b", "src/a", "src/c")
    (tmp_path / "src" / "note.txt").write_text("")
    assert list(expand([f"{tmp_path}/src/*/"])) == [f"{tmp_path}/src/{name}/" for name in "abc"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list(expand(["~/src/[ab]"])) == [f"{tmp_path}/src/{name}" for name in "ab"]
    assert "no file or directory fits" in error(f"{tmp_path}/absent*")


def test_a_folder_whose_name_looks_like_a_pattern(tmp_path):
    folders(tmp_path, "[ab]", "a")
    assert list(expand([str(tmp_path / "[ab]")])) == [str(tmp_path / "[ab]")]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_manifests_mix_all_forms_and_paths_are_relative_to_them(tmp_path, form):
    folders(tmp_path, "lists/near", "lists/many/x", "lists/many/y")
    listed = ["near", "pkg:pypi/demo@1.0", "many/*", "git+https://host.example/o/n@v1", "near"]
    manifest = tmp_path / "lists" / f"list.{form}"
    match form:
        case "jsonl":
            lines = [json.dumps({"source": name, "note": 1}) for name in listed]
            manifest.write_text("\n".join(["", *lines]) + "\n")
        case "csv":
            manifest.write_text("note,source\n" + "".join(f"1,{name}\n" for name in listed))
        case "parquet":
            pq.write_table(pa.table({"source": listed}), manifest)
    near = f"{tmp_path}/lists"
    assert list(expand([str(manifest)])) == [
        f"{near}/near",
        "pkg:pypi/demo@1.0",
        f"{near}/many/x",
        f"{near}/many/y",
        "git+https://host.example/o/n@v1",
    ]


def test_manifests_are_read_as_they_are_asked_for(tmp_path):
    manifest = tmp_path / "list.jsonl"
    manifest.write_text('{"source": "pkg:pypi/a@1"}\n{"source": "pkg:pypi/b@1"}\nbroken\n')
    names = expand([manifest])
    assert list(islice(names, 2)) == ["pkg:pypi/a@1", "pkg:pypi/b@1"]
    with pytest.raises(UserError, match="line 3 is no JSON"):
        next(names)


def test_what_leads_nowhere_is_said_before_anything_is_read(tmp_path):
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("broken\n")
    for wrong, words in (
        (str(tmp_path / "absent"), "no such file or directory"),
        (str(tmp_path / "absent.jsonl"), "no such file or directory"),
        ("pkg:cargo/demo@1", "not supported"),
        ("git+https://host.example/", "not the URL of a git repository"),
        ("rows+a.parquet", "not rows of a dataset"),
        ("file:///absent.parquet", "no such file"),
        ("memory://repository", "of what is remote"),
    ):
        with pytest.raises(UserError, match=words):
            expand([str(manifest), wrong])


def test_manifests_that_are_wrong_name_the_line(tmp_path):
    write = (tmp_path / "list.jsonl").write_text
    path = str(tmp_path / "list.jsonl")
    write('{"source": "pkg:pypi/a@1"}\n{"name": "b"}\n')
    assert error(path) == f"{path}: line 2: no 'source' in it; each row of a manifest names one"
    write('{"source": "absent"}\n')
    assert error(path).startswith(f"{path}: line 1: {tmp_path}/absent: no such file")
    write('{"source": "list.jsonl"}\n')
    assert "lists itself" in error(path)
    (tmp_path / "list.csv").write_text("name\na\n")
    assert "no column 'source'" in error(str(tmp_path / "list.csv"))
    (tmp_path / "list.parquet").write_bytes(b"PAR1 and nothing more")
    assert "not a parquet file" in error(str(tmp_path / "list.parquet"))
    dataset(tmp_path / "other.parquet", [{"text": "a"}])
    assert "neither a manifest" in error(str(tmp_path / "other.parquet"))


def test_rows_of_a_dataset_become_repositories(tmp_path):
    path = dataset(
        tmp_path / "code.parquet",
        [
            row("o/a", "x.py", "X = 1\n", revision_id="r1", detected_licenses=["MIT"]),
            row("o/a", "d/y.py", "Y = 1\n", revision_id="r1", detected_licenses=["MIT", "Apache-2.0"]),
            row("o/b", "z.py", "Z = 1\n", revision_id="r2", detected_licenses=[]),
            row("o/b", "gone.py", None, revision_id="r2", detected_licenses=[]),
        ],
        row_group_size=3,  # the second repository lies in two groups
    )
    names = list(expand([str(path)]))
    assert names == [f"rows+o/a@{path}#0-1", f"rows+o/b@{path}#2-3"]
    first, second = map(load, names)
    assert (first.identity, first.revision, first.license) == ("o/a", "r1", "Apache-2.0 AND MIT")
    assert {file.path: (file.content, file.license) for file in first.files} == {
        "x.py": ("X = 1\n", "MIT"),
        "d/y.py": ("Y = 1\n", "MIT AND Apache-2.0"),
    }
    assert (second.identity, second.license) == ("o/b", "")
    assert [(file.path, file.reason) for file in second.skipped] == [("gone.py", "no content in its row")]
    assert identify(names[0]) == "o/a" and is_fetched(names[0])
    assert fingerprint(names[0]) != fingerprint(names[1])


def test_a_files_own_word_stands_over_what_the_dataset_says(tmp_path):
    own = "# SPDX-License-Identifier: ISC\nX = 1\n"
    path = dataset(tmp_path / "c.parquet", [row("o/a", "x.py", own, detected_licenses=["MIT"])])
    assert [file.license for file in load(next(expand([str(path)]))).files] == ["ISC"]


def test_a_repository_that_goes_on_in_the_next_file_is_one(tmp_path):
    dataset(tmp_path / "d" / "0.parquet", [row("o/a", "a.py"), row("o/b", "1.py")])
    dataset(tmp_path / "d" / "1.parquet", [row("o/b", "2.py")])
    dataset(tmp_path / "d" / "2.parquet", [row("o/b", "3.py"), row("o/c", "c.py")])
    names = list(expand([f"{tmp_path}/d/*.parquet"]))
    assert [identify(name) for name in names] == ["o/a", "o/b", "o/c"]
    assert [file.path for file in load(names[1]).files] == ["1.py", "2.py", "3.py"]


def test_names_with_any_character_survive(tmp_path):
    name = "o|x/a@b#1 ü"
    path = dataset(tmp_path / "c.parquet", [row(name, "x.py")])
    (source,) = expand([str(path)])
    assert load(source).identity == name


def test_remote_datasets_are_listed_and_read(tmp_path):
    path = dataset(tmp_path / "code.parquet", [row("o/a", "x.py"), row("o/b", "y.py")])
    names = list(expand([f"file://{tmp_path}/*.parquet"]))
    assert names == [f"rows+o/a@file://{path}#0-0", f"rows+o/b@file://{path}#1-1"]
    assert [file.path for file in load(names[1]).files] == ["y.py"]


def test_rows_that_do_not_lie_together_are_refused(tmp_path):
    path = dataset(tmp_path / "c.parquet", [row("o/a", "x.py"), row("o/b", "y.py"), row("o/a", "z.py")])
    assert "row 2 is of o/a again" in error(str(path))


def test_a_dataset_that_has_changed_is_noticed(tmp_path):
    path = dataset(tmp_path / "c.parquet", [row("o/a", "x.py"), row("o/b", "y.py")])
    names = list(expand([str(path)]))
    dataset(path, [row("o/b", "y.py")])
    for name in names:
        with pytest.raises(UserError, match="it has changed"):
            load(name)


def test_attributes_count_wherever_their_row_stands(tmp_path):
    rows = [row("o/a", "v/x.py"), row("o/a", "y.py"), row("o/a", ".gitattributes", "v/* linguist-vendored\n")]
    repository = load(next(expand([str(dataset(tmp_path / "c.parquet", rows))])))
    assert [(file.path, file.reason) for file in repository.skipped] == [("v/x.py", "vendored")]


def test_hostile_rows_are_skipped(tmp_path):
    rows = [row("o/a", path) for path in ("../up.py", "/etc/passwd", "a\0b.py", "ok.py")] + [
        row("o/a", "", "x"),
        row("o/a", "big.py", "x" * 1_000_001),
    ]
    repository = load(next(expand([str(dataset(tmp_path / "c.parquet", rows))])))
    assert [file.path for file in repository.files] == ["ok.py"]
    assert len(repository.skipped) == 5
