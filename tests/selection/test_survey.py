"""One source against the options: what stays, and why the rest does not."""

from __future__ import annotations

import json
from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planting import solved

from builder.errors import FatalError, UserError
from builder.repository import expand
from builder.selection import REASONS, SelectOptions, read, survey
from builder.selection.licenses import Allowed

MIT, GPL = "# SPDX-License-Identifier: MIT\n", "# SPDX-License-Identifier: GPL-3.0-only\n"


@pytest.fixture
def make(tmp_path):
    """``make({path: content}, license)``: the source of a directory, or of a dataset's rows where asked."""

    def made(files: dict[str, str], license: str = "MIT", *, fetched: bool = False) -> str:
        if license:
            files = {"package.json": json.dumps({"license": license}), **files}
        if fetched:
            rows = [{"repo_name": "o/n", "path": path, "content": text} for path, text in files.items()]
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / "code.parquet")
            (source,) = expand([tmp_path / "code.parquet"])
            return source
        root = tmp_path / "project"
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return str(root)

    return made


def outcome(source: str, **options) -> tuple[str, str]:
    record = survey(source, SelectOptions(**options))
    assert record.reason in ("", *REASONS)
    return record.reason, record.detail


def test_record_says_what_would_be_built_from(make):
    source = make({"a.py": "A = 1\n", "b/c.js": "let c\n", "README.md": "# Hi\n"})
    record = survey(source, SelectOptions())
    assert (record.source, record.repository, record.license) == (source, "local/project", "MIT")
    assert (record.num_files, record.num_code_files, record.num_code_bytes) == (4, 2, 12)
    assert record.languages == {"JSON": 18, "JavaScript": 6, "Markdown": 5, "Python": 6}
    assert record.digest and record.sketch == "" and record.reason == ""
    assert json.loads(json.dumps(asdict(record))) == asdict(record)


@pytest.mark.parametrize(
    ("license", "fetched", "options", "reason"),
    [
        ("MIT", True, {}, ""),
        ("GPL-3.0-only", True, {}, "license"),
        ("GPL-3.0-only OR MIT", True, {}, ""),
        ("GPL-3.0-only AND MIT", True, {}, "license"),
        ("", True, {}, "license"),
        ("GPL-3.0-only", True, {"licenses": ("any",)}, ""),
        ("GPL-3.0-only", True, {"licenses": ("GPL-3.0-only",)}, ""),
        ("MPL-2.0", True, {"licenses": ("permissive", "mpl-2.0")}, ""),
        ("GPL-3.0-only", False, {}, ""),
        ("", False, {}, ""),
        ("GPL-3.0-only", False, {"licenses": ("permissive",)}, "license"),
        ("Apache-2.0", False, {"licenses": ("MIT",)}, "license"),
    ],
)
def test_licence_of_the_repository(make, license, fetched, options, reason):
    source = make({"a.py": "A = 1\n"}, license, fetched=fetched)
    assert outcome(source, **options)[0] == reason


def test_files_under_another_licence_are_left_out(make):
    source = make({"a.py": MIT + "A = 1\n", "b.py": GPL + "B = 1\n"}, fetched=True)
    repository = read(source, SelectOptions())
    assert [file.path for file in repository.files] == ["a.py", "package.json"]
    assert [(file.path, file.reason) for file in repository.skipped] == [("b.py", "license GPL-3.0-only")]
    assert survey(source, SelectOptions()).num_files == 2


def test_without_its_other_files_a_repository_is_left_out(make):
    source = make({"b.py": GPL + "B = 1\n", "README.md": "# Hi\n"}, fetched=True)
    assert outcome(source) == ("license", "no code is left without 1 file (license GPL-3.0-only)")


def test_files_with_a_benchmark_are_left_out(make):
    source = make({"a.py": "A = 1\n", "b.py": solved("HumanEval/12")})
    record = survey(source, SelectOptions())
    assert (record.reason, record.num_contaminated, record.num_code_files) == ("", 1, 1)
    repository = read(source, SelectOptions())
    assert [(file.path, file.reason) for file in repository.skipped] == [("b.py", "benchmark HumanEval/12")]
    assert survey(source, SelectOptions(benchmarks=())).num_contaminated == 0


def test_nothing_but_a_benchmark_is_left_out_as_a_solved(make):
    source = make({"b.py": solved("HumanEval/12"), "README.md": "# Hi\n"})
    reason, detail = outcome(source)
    assert reason == "benchmark" and "HumanEval/12" in detail
    with pytest.raises(UserError, match=r"left out .benchmark."):
        read(source, SelectOptions())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"max_files": 2}, ("size", "3 files, more than 2")),
        ({"min_files": 4}, ("size", "3 files, fewer than 4")),
        ({"max_bytes": 10}, ("size", "36 bytes, more than 10")),
        ({"min_bytes": 100}, ("size", "36 bytes, fewer than 100")),
        ({"languages": ("Python",)}, ("language", "mostly JavaScript")),
        ({"languages": ("JavaScript",)}, ("", "")),
        ({"languages": ("Go", "Python", "JavaScript")}, ("", "")),
    ],
)
def test_size_and_language(make, options, expected):
    source = make({"a.py": "A = 1\n", "b.js": "let b = 1234\n"})
    assert outcome(source, **options) == (expected[0], expected[1].replace("36", "37"))


def test_opt_out_by_name_pattern_and_list(make, tmp_path):
    local, rows = make({"a.py": "A = 1\n"}), make({"a.py": "A = 1\n"}, fetched=True)
    (tmp_path / "list.txt").write_text("# asked in spring\nO/N  # their own words\nhost.example/x/*\n")
    for source, entry, out in (
        (rows, "o/n", True),
        (rows, str(tmp_path / "list.txt"), True),
        (rows, "o/*", True),
        (rows, "n", False),
        (local, "local/project", True),
        (local, "o/n", False),
        ("git+https://host.example/x/y@main", str(tmp_path / "list.txt"), True),
        ("git+https://host.example/x/y@main", "x/y", True),
        ("pkg:pypi/demo@1.0", "pkg:pypi/demo", True),
        ("pkg:npm/%40scope/demo@1.0.0", "pkg:npm/%40scope/*", True),
    ):
        assert (outcome(source, opt_out=(entry,))[0] == "opt-out") == out, (source, entry)


def test_unreadable_source_is_a_record_without_its_path(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.tar.gz").write_bytes(b"no archive")
    for name in ("absent", "empty", "bad.tar.gz"):
        record = survey(str(tmp_path / name), SelectOptions())
        assert record.reason == "unreadable" and record.detail
        assert str(tmp_path) not in record.detail


def test_passwords_are_in_no_words(tmp_path):
    source = "git+https://user:t0ken@127.0.0.1:9/owner/name@main"
    record = survey(source, SelectOptions(), tmp_path)
    assert (record.repository, record.reason) == ("127.0.0.1/owner/name", "unreadable")
    assert "t0ken" not in record.detail
    with pytest.raises(UserError) as caught:
        read(source, SelectOptions(opt_out=("owner/name",)))
    assert "t0ken" not in str(caught.value)


def test_what_is_no_code_may_go_without_the_repository(make):
    source = make({"a.md": solved("HumanEval/12"), "README.md": "# Hi\n"})
    assert outcome(source) == ("", "")
    assert survey(source, SelectOptions()).num_contaminated == 1


def test_full_disk_is_no_property_of_a_repository(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("REPO2AGENT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FatalError, match="downloads cannot be kept"):
        survey(f"git+file://{tmp_path}@{'0' * 40}", SelectOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"licenses": ("MTI",)}, "'MTI' is no SPDX licence id"),
        ({"opt_out": ("./absent.txt",)}, "no such file"),
        ({"benchmarks": ("absent",)}, "no such file"),
    ],
)
def test_wrong_options_are_said_at_once(make, options, message):
    with pytest.raises(UserError, match=message):
        survey(make({"a.py": "A = 1\n"}), SelectOptions(**options))


@pytest.mark.parametrize(
    "wrong", [{"min_files": -1}, {"min_bytes": 5, "max_bytes": 4}, {"near_duplicates": 2.0}]
)
def test_options_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="must be"):
        SelectOptions(**wrong)


@pytest.mark.parametrize(
    ("expression", "permitted"),
    [
        ("MIT", True),
        ("mit", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(GPL-2.0-only OR MIT) AND Apache-2.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("CC0-1.0", True),
        ("LicenseRef-Repoze-BSD-derived", False),
        ("", False),
        ("(((", False),
        ("MIT AND", False),
    ],
)
def test_expressions(expression, permitted):
    assert Allowed(["permissive"]).permits(expression) == permitted
