"""General text is documentation, once each, in an order that nothing but its names decides."""

from __future__ import annotations

import subprocess
import sys

from pyarrow import parquet

from experiment.stages import ROOT

PROSE = "Tables are read from left to right, and a cell that is missing counts as empty. " * 8


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiment.texts", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_documents_are_prose_in_folders_of_documentation_without_copies(tmp_path):
    files = {
        "one/docs/guide/second.rst": f"Second\n======\n\n{PROSE}\n",
        "one/docs/first.txt": f"First. {PROSE}",
        "one/docs/short.rst": "See above.",
        "one/docs/conf.py": f"# {PROSE}",
        "one/tests/sample.rst": f"A sample. {PROSE}",
        "one/README.md": f"Read me. {PROSE}",
        "two/doc/copy.txt": f"First. {PROSE}\n\n",
        "two/doc/other.txt": f"Other. {PROSE}",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    outputs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for output in outputs:
        result = run(tmp_path / "one", tmp_path / "two", "--suffixes", ".rst", ".txt", "--output", output)
        assert result.returncode == 0, result.stderr
    rows = parquet.read_table(outputs[0]).to_pylist()
    names = ["docs/first.txt", "docs/guide/second.rst", "doc/other.txt"]
    assert [row["name"].partition("/")[2].partition("/")[2] for row in rows] == names
    assert rows[0]["text"] == f"First. {PROSE}".strip() + "\n"
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_packages_without_documentation_get_one_line(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/a.py").write_text("x = 1\n")
    result = run(tmp_path / "code", "--output", tmp_path / "texts.parquet")
    assert result.returncode == 1
    assert result.stderr == "error: no documents that end with .rst or .md or .txt in these packages\n"
    assert not (tmp_path / "texts.parquet").exists()
