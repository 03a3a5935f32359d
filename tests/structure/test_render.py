"""What the command line prints of a blueprint."""

from __future__ import annotations

import json
import subprocess
import sys

from builder.structure import analyze, as_dot, as_json, tree


def demo(tmp_path):
    for path, text in {
        "README.md": "# Demo\n",
        "pkg/__init__.py": "from .core import run\nimport numpy\n",
        "pkg/core.py": 'LIMIT = 3\n\n\ndef run(x: int) -> int:\n    """Run."""\n    return x\n',
        "data.bin": "\0",
    }.items():
        target = tmp_path / "demo" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return analyze(tmp_path / "demo")


def test_json_has_the_documented_shape(tmp_path):
    data = as_json(demo(tmp_path))
    assert data["root"] == "local/demo"
    assert data["files"] == [
        {"path": "README.md", "language": "Markdown", "bytes": 7, "skipped": None},
        {"path": "data.bin", "language": "", "bytes": None, "skipped": "binary"},
        {"path": "pkg/__init__.py", "language": "Python", "bytes": 35, "skipped": None},
        {"path": "pkg/core.py", "language": "Python", "bytes": 64, "skipped": None},
    ]
    assert data["dependencies"] == [{"source": "pkg/__init__.py", "target": "pkg/core.py", "kind": "import"}]
    assert data["external"] == ["numpy"]
    assert [entry["name"] for entry in data["outlines"]["pkg/core.py"]] == ["LIMIT", "run"]
    assert data["order"] == ["README.md", "pkg/core.py", "pkg/__init__.py"]
    assert str(tmp_path) not in json.dumps(data)


def test_tree_names_sizes_edges_and_order(tmp_path):
    shown = tree(demo(tmp_path))
    assert "core.py  #2  Python  64 B" in shown
    assert "needs pkg/core.py" in shown
    assert "data.bin  left out: binary" in shown


def test_dot_quotes_names(tmp_path):
    assert '"pkg/__init__.py" -> "pkg/core.py"' in as_dot(demo(tmp_path))


def test_doors_open_without_heavy_imports():
    heavy = ["tree_sitter", "detect_secrets", "networkx", "unearth", "packageurl"]
    code = f"import sys, builder.structure as s; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
