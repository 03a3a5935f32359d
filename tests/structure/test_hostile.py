"""Whole analyses of trees made to do harm: a blueprint comes back soon, and says what could not be read."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.repository import Limits, Repository, SourceFile, load
from builder.structure import Blueprint, analyze, as_dot, as_json, syntax, tree
from builder.structure.languages import READERS, reader


@pytest.fixture(autouse=True)
def bounded():
    """No test here may take long, however hostile what it reads."""
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < 20


def analyzed(files: dict[str, str]) -> Blueprint:
    sources = (SourceFile(path, content, "utf-8", len(content), "") for path, content in files.items())
    return analyze(Repository("local/x", "1", "", tuple(sorted(sources, key=lambda file: file.path))))


def shown(blueprint: Blueprint) -> str:
    return json.dumps(as_json(blueprint)) + tree(blueprint) + as_dot(blueprint)


@pytest.mark.parametrize("suffix", ["py", "json", "toml", "sh", ""])
@pytest.mark.parametrize(
    "content",
    ["[" * 10_000, "[" * 10_000 + "]" * 10_000, "a = " + "{" * 10_000, "x" * 900_000,
     "#!" + "a" * 900_000 + "!", "def f(\n" + " " * 400_000 + "x" + " " * 400_000 + "y): pass",
     "\n" * 900_000, "9" * 900_000, "x = " + "9" * 900_000, "'" * 300_000],
    ids=["open", "closed", "braces", "line", "shebang", "spaces", "newlines", "digits", "number", "quotes"],
)  # fmt: skip
def test_texts_that_exhaust_readers(content, suffix):
    blueprint = analyzed({f"bad.{suffix}".rstrip("."): content, "good.py": "import bad\nA = 1\n"})
    assert [entry.name for entry in blueprint.outlines["good.py"]] == ["A"]
    assert shown(blueprint)


@pytest.mark.parametrize("name", ["pyproject.toml", "setup.cfg", "setup.py"])
@pytest.mark.parametrize(
    "content",
    ["x = " + "9" * 10_000, "a = " + "[" * 10_000, "[a]\n b\n c", " x\n[options]\n", "[project]\nname = 3",
     "[project]\ndependencies = 'x'\noptional-dependencies = [1]", "tool = 1",
     "[tool.poetry]\npackages = [1]",
     "[metadata]\nname =\n[options]\ninstall_requires = \n  \n  ;;;\npackage_dir = =\n", "\x0c", "[[]]"],
)  # fmt: skip
def test_metadata_that_no_tool_would_accept(name, content):
    blueprint = analyzed({name: content, "src/p/a.py": "import p.b\n", "src/p/b.py": ""})
    assert ("src/p/a.py", "src/p/b.py") in {(edge.source, edge.target) for edge in blueprint.dependencies}


def test_source_root_outside_is_no_folder_inside():
    metadata = '[tool.setuptools.packages.find]\nwhere = ["../lib", "/lib", "../../lib"]'
    blueprint = analyzed({"pyproject.toml": metadata, "tests/test_a.py": "import p", "lib/p/__init__.py": ""})
    assert blueprint.dependencies == ()
    nested = {
        f"one/{path}": text for path, text in (("pyproject.toml", metadata), ("tests/test_a.py", "import p"))
    }
    blueprint = analyzed(nested | {"lib/p/__init__.py": ""})
    assert [edge.target for edge in blueprint.dependencies] == ["lib/p/__init__.py"]


def test_file_too_large_to_parse_is_recorded(tmp_path):
    (tmp_path / "large.py").write_text("A = 1\n" * 400_000)
    (tmp_path / "small.py").write_text("import large\n")
    blueprint = analyze(load(tmp_path, Limits(max_file_bytes=10_000_000)))
    assert blueprint.unparsed == ("large.py",)
    assert {edge.target for edge in blueprint.dependencies} == {"large.py"}
    assert set(blueprint.order) == {"large.py", "small.py"}
    assert "large.py  #1  Python  2400.0 kB  not parsed: too large or too slow" in tree(blueprint)
    (entry,) = [file for file in as_json(blueprint)["files"] if file["skipped"]]
    assert (entry["path"], entry["bytes"]) == ("large.py", 2_400_000)


def test_file_that_takes_too_long_is_recorded(monkeypatch):
    monkeypatch.setattr(syntax, "_MAX_PARSE", 1)
    syntax._parser.cache_clear()
    try:
        blueprint = analyzed({"slow.py": "def f(): pass\n" * 20_000})
    finally:
        syntax._parser.cache_clear()
    assert blueprint.unparsed == ("slow.py",)
    assert blueprint.outlines == {"slow.py": ()}


def test_a_thousand_folders_deep():
    deep = "d/" * 1_000
    files = {
        f"{deep}a.py": "from . import b\nfrom " + "." * 1_001 + " import top",
        f"{deep}b.py": "",
        "top.py": "",
    }
    blueprint = analyzed(files)
    assert {edge.target for edge in blueprint.dependencies} == {f"{deep}b.py", "top.py"}
    assert shown(blueprint)


def test_names_that_differ_in_case_are_not_confused():
    blueprint = analyzed({"Mod.py": "", "mod.py": "", "a.py": "import Mod", "b.py": "import mod, MOD"})
    assert {(edge.source, edge.target) for edge in blueprint.dependencies} == {
        ("a.py", "Mod.py"),
        ("b.py", "mod.py"),
    }
    assert blueprint.external == ("MOD",)


@pytest.mark.parametrize("module", sorted(set(READERS.values())))
@pytest.mark.parametrize(
    "source",
    ["(" * 10_000 + ")" * 10_000, "{" * 10_000 + "}" * 10_000, "[" * 10_000, "<" * 5_000, "a." * 5_000,
     "f(" * 5_000, "if (x) {" * 3_000, "class A {" * 3_000, "x = " + "y + " * 5_000, "A<" * 2_000,
     '"' * 5_000, "/*" * 10_000, "\n" * 200_000, "x" * 1_900_000, "'\\" * 5_000, "#if A\n" * 2_000,
     "import a.b;\n" * 5_000, "use a::b::{" * 1_000, "def f\n" * 3_000, "\x00\ufffd" * 5_000],
    ids=lambda source: repr(source[:9]),
)  # fmt: skip
def test_no_text_exhausts_a_language(module, source):
    start = time.perf_counter()
    with contextlib.suppress(syntax.Unparsed):
        reader(module).scan(source.encode())
    assert time.perf_counter() - start < 15  # parsing alone may take five


_WORDS = [
    "import a", "from . import b", "from .. import *", "def f(", "class C:", "if TYPE_CHECKING:", "async ",
    "importlib.import_module('a')", "__import__('.a')", "lambda", "type T =", "match x:", "[tool]",
    "=", "{", "(", ")", ":", "\n", "    ", "'''", '"', "#", "@", "\\\n", "é", "\ufeff", "\r", "\f", "\ud800",
]  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["a.py", "b/__init__.py", "b/c.py", "a.pyi", "pyproject.toml", "setup.cfg", "setup.py", "s"]
        ),
        st.lists(st.sampled_from(_WORDS) | st.text(max_size=5), max_size=30).map("".join),
        min_size=1,
    )
)
def test_random_texts_give_a_whole_blueprint(files):
    blueprint = analyzed(files)
    assert sorted(blueprint.order) == sorted(files)
    assert all({edge.source, edge.target} <= set(files) for edge in blueprint.dependencies)
    assert shown(blueprint)
