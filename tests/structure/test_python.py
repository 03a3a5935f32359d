"""Python imports against the traps that resolvers fall into, and what one file says by itself."""

from __future__ import annotations

import textwrap
import time

import pluggy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.repository import Repository, SourceFile
from builder.structure import analyze
from builder.structure.python import scan


def repository(files: dict[str, str], identity: str = "local/demo") -> Repository:
    sources = (
        SourceFile(path, textwrap.dedent(text), "utf-8", len(text), "") for path, text in files.items()
    )
    return Repository(identity, "1", "", tuple(sorted(sources, key=lambda file: file.path)))


def edges(files: dict[str, str], kind: str | None = None, **options: str) -> set[tuple[str, str]]:
    found = analyze(repository(files, **options)).dependencies
    return {(edge.source, edge.target) for edge in found if kind in (None, edge.kind)}


PACKAGE = {
    "pkg/__init__.py": "",
    "pkg/a.py": "",
    "pkg/b.py": "",
    "pkg/sub/__init__.py": "",
    "pkg/sub/c.py": "",
}


@pytest.mark.parametrize(
    ("statement", "targets"),
    [
        ("import pkg", {"pkg/__init__.py"}),
        ("import pkg.b", {"pkg/b.py"}),
        ("import pkg.sub.c as c, os", {"pkg/sub/c.py"}),
        ("import pkg.sub", {"pkg/sub/__init__.py"}),
        ("from pkg import b", {"pkg/b.py"}),
        ("from pkg import something", {"pkg/__init__.py"}),
        ("from pkg import b, something", {"pkg/b.py", "pkg/__init__.py"}),
        ("from pkg import *", {"pkg/__init__.py"}),
        ("from pkg.b import name", {"pkg/b.py"}),
        ("from . import b", {"pkg/b.py"}),
        ("from . import (b as x,\n  sub)", {"pkg/b.py", "pkg/sub/__init__.py"}),
        ("from .sub.c import x", {"pkg/sub/c.py"}),
        ("from .sub import c", {"pkg/sub/c.py"}),
        ("from .a import itself", set()),
        ("import importlib\nm = importlib.import_module('pkg.b')", {"pkg/b.py"}),
        ("from importlib import import_module\nm = import_module('.b', __package__)", {"pkg/b.py"}),
        ("import importlib\nm = importlib.import_module(f'pkg.{b}')", set()),
        ("class C:\n  from pkg import b", {"pkg/b.py"}),
        ("try:\n  import b\nexcept ImportError:\n  from pkg import b", {"pkg/b.py"}),
        ("from pkg . sub import \\\n  c", {"pkg/sub/c.py"}),
    ],
)
def test_forms_of_import(statement, targets):
    assert edges(PACKAGE | {"pkg/a.py": statement}) == {("pkg/a.py", target) for target in targets}


def test_relative_import_goes_up_by_its_dots():
    assert edges(PACKAGE | {"pkg/sub/c.py": "from ..b import x\nfrom .. import a"}) == {
        ("pkg/sub/c.py", "pkg/a.py"),
        ("pkg/sub/c.py", "pkg/b.py"),
    }


def test_kinds_and_the_strongest_one_counts():
    code = """
        from typing import TYPE_CHECKING
        import typing as t
        if TYPE_CHECKING:
            from pkg import b
            from pkg.sub import c
        elif t.TYPE_CHECKING:
            import pkg.sub
        if not TYPE_CHECKING:
            import pkg.o
        else:
            import pkg.p
        def f():
            if x:
                from pkg import a, b
            import pkg.n
        import pkg.n
    """
    files = PACKAGE | {"pkg/m.py": code, "pkg/n.py": "", "pkg/o.py": "", "pkg/p.py": ""}
    found = {edge.target: edge.kind for edge in analyze(repository(files)).dependencies}
    assert found == {
        "pkg/a.py": "lazy",
        "pkg/b.py": "lazy",
        "pkg/n.py": "import",
        "pkg/o.py": "import",
        "pkg/p.py": "type-only",
        "pkg/sub/c.py": "type-only",
        "pkg/sub/__init__.py": "import",
    }


def test_missing_first_party_is_unresolved_and_outside_is_external():
    code = "import pkg.gone\nfrom .gone import x\nfrom .... import y\nimport numpy.linalg\nimport os"
    blueprint = analyze(repository(PACKAGE | {"pkg/a.py": code}))
    assert blueprint.dependencies == ()
    assert blueprint.unresolved == (("pkg/a.py", "....y"), ("pkg/a.py", ".gone.x"), ("pkg/a.py", "pkg.gone"))
    assert blueprint.external == ("numpy", "os")


@pytest.mark.parametrize(
    "decoy",
    ["tests/yaml.py", "yaml.py", "src/pkg/yaml.py", "src/pkg/sub/yaml/__init__.py", "other/src/yaml.py",
     "examples/yaml/__init__.py", "docs/yaml.py", "vendored/yaml.py"],
)  # fmt: skip
def test_outside_name_never_lands_on_a_decoy(decoy):
    files = {
        "src/pkg/__init__.py": "import yaml",
        "src/pkg/sub/__init__.py": "from yaml import load",
        decoy: "",
    }
    assert edges(files) == set()


def test_decoys_in_a_flat_layout():
    decoys = [
        "pkg/yaml.py",
        "pkg/random.py",
        "random.py",
        "test/support.py",
        "tests/yaml.py",
        "docs/a/yaml.py",
    ]
    files = {"pkg/__init__.py": "import yaml, random, test.support"} | dict.fromkeys(decoys, "")
    assert edges(files) == set()


def test_project_does_not_see_a_neighbour_that_it_does_not_require():
    files = {
        "one/pyproject.toml": "[project]\nname = 'one'\ndependencies = ['two_x>=1']",
        "one/src/one/__init__.py": "import two, three",
        "two/setup.cfg": "[metadata]\nname = two-x\n",
        "two/two/__init__.py": "",
        "three/setup.py": "",
        "three/three/__init__.py": "",
    }
    assert edges(files) == {("one/src/one/__init__.py", "two/two/__init__.py")}


def test_source_roots_from_metadata():
    for metadata in (
        {"pyproject.toml": '[tool.setuptools.packages.find]\nwhere = ["lib"]'},
        {"pyproject.toml": '[tool.setuptools.package-dir]\n"" = "lib"'},
        {"pyproject.toml": '[tool.hatch.build.targets.wheel]\npackages = ["lib/pkg"]'},
        {"pyproject.toml": '[[tool.poetry.packages]]\ninclude = "pkg"\nfrom = "lib"'},
        {"setup.cfg": "[options]\npackage_dir =\n    = lib\n"},
    ):
        files = metadata | {"lib/pkg/a.py": "", "lib/pkg/__init__.py": "", "tests/test_a.py": "import pkg.a"}
        assert edges(files) == {("tests/test_a.py", "lib/pkg/a.py")}, metadata


def test_broken_metadata_is_survived():
    files = {
        "pyproject.toml": "[[[",
        "setup.cfg": "no section",
        "src/pkg/a.py": "",
        "src/pkg/b.py": "import pkg.a",
    }
    assert edges(files) == {("src/pkg/b.py", "src/pkg/a.py")}


def test_namespace_package():
    files = {
        "src/ns/one/__init__.py": "",
        "src/ns/one/a.py": "import ns.one\nfrom ns import one, two\nimport ns.other",
    }
    blueprint = analyze(repository(files))
    assert [edge.target for edge in blueprint.dependencies] == ["src/ns/one/__init__.py"]
    assert blueprint.external == ("ns",)  # another distribution may fill the same namespace
    assert blueprint.unresolved == ()


def test_tests_and_scripts_see_their_own_folder():
    files = {
        "src/pkg/__init__.py": "",
        "tests/helpers.py": "",
        "tests/test_a.py": "import helpers, pkg",
        "tests/sub/__init__.py": "",
        "tests/sub/test_b.py": "import helpers, sub.test_c",
        "tests/sub/test_c.py": "",
        "run/common.py": "",
        "run/main.py": "import common\nif __name__ == '__main__':\n    pass",
        "run/module.py": "import common",
    }
    assert edges(files) == {
        ("tests/test_a.py", "tests/helpers.py"),
        ("tests/test_a.py", "src/pkg/__init__.py"),
        ("tests/sub/test_b.py", "tests/helpers.py"),
        ("tests/sub/test_b.py", "tests/sub/test_c.py"),
        ("run/main.py", "run/common.py"),
    }


def test_stubs_and_extension_sources_stand_in_for_modules():
    files = {
        "pkg/__init__.py": "from . import fast, slow",
        "pkg/fast.pyx": "",
        "pkg/slow.pyi": "",
        "pkg/slow.py": "",
    }
    assert edges(files) == {("pkg/__init__.py", "pkg/fast.pyx"), ("pkg/__init__.py", "pkg/slow.py")}


def test_repository_that_is_itself_a_package():
    files = {"__init__.py": "import demo.a, wheel", "a.py": "", "wheel.py": ""}
    assert edges(files) == {("__init__.py", "a.py")}


def test_real_package(tmp_path):
    blueprint = analyze(pluggy.__path__[0])
    found = {(edge.source, edge.target) for edge in blueprint.dependencies}
    assert {
        ("__init__.py", "_manager.py"),
        ("_manager.py", "_hooks.py"),
        ("_manager.py", "_tracing.py"),
    } <= found
    assert blueprint.order.index("_hooks.py") < blueprint.order.index("_manager.py")
    assert blueprint.order[-1] == "__init__.py"
    assert blueprint.unresolved == ()
    outline = {entry.name: entry for entry in blueprint.outlines["_manager.py"]}
    assert outline["PluginManager"].kind == "class"
    assert outline["register"].depth == 1


OUTLINED = '''\
#!/usr/bin/env python
# Copyright someone

"""Module."""

from __future__ import annotations
import os
try:
    import fast
except ImportError:
    fast = None
LIMIT = 10
name: str = "x"
lower = 1
TABLE = {
    1: 2,
}
type Pair = tuple[int, int]


@decorator
@other(
    1,  # why
)
class Thing(Base, metaclass=Meta):
    """
    First line.

    More.
    """

    field: int = 1

    @property
    async def method(
        self,
        a: int = 1,  # a comment, with (brackets
        *args: str,
    ) -> dict[str, int]:
        """Do."""
        def inner(): ...
        import lazy

    class Nested[T]:
        def deep(self): return 1


if os.name == "nt":
    def system() -> str:
        return ""
'''


def test_outline_and_header():
    facts = scan(OUTLINED.encode())
    assert facts.header_lines == {1, 2, 6, 7, 9}
    assert [(entry.kind, entry.depth, entry.signature) for entry in facts.outline] == [
        ("constant", 0, "LIMIT = 10"),
        ("constant", 0, 'name: str = "x"'),
        ("constant", 0, "TABLE = …"),
        ("constant", 0, "type Pair = tuple[int, int]"),
        ("class", 0, "class Thing(Base, metaclass=Meta)"),
        ("method", 1, "async def method(self, a: int = 1, *args: str) -> dict[str, int]"),
        ("class", 1, "class Nested[T]"),
        ("method", 2, "def deep(self)"),
        ("function", 0, "def system() -> str"),
    ]
    thing, method, deep = (next(e for e in facts.outline if e.name == n) for n in ("Thing", "method", "deep"))
    assert thing.decorators == ("@decorator", "@other(1)")
    assert (thing.doc, method.doc) == ("First line.", "Do.")
    assert (thing.start_line, thing.end_line) == (21, 45)
    assert thing.signature_lines == {21, 22, 23, 24, 25, 27}
    assert method.signature_lines == {34, 35, 36, 37, 38, 39, 40}
    assert deep.signature_lines == set()  # its line also holds the body


def test_lines_of_an_outline_exist():
    num_lines = OUTLINED.count("\n")
    for entry in scan(OUTLINED.encode()).outline:
        assert 1 <= entry.start_line <= entry.end_line <= num_lines
        assert all(entry.start_line <= line <= entry.end_line for line in entry.signature_lines)


def test_syntax_errors_leave_what_parses():
    facts = scan(b"import pkg.a\ndef good(x): pass\ndef bad(:\n    import b\nclass Fine: pass\n")
    assert facts.imports[0].module == "pkg.a"
    assert "good" in [entry.name for entry in facts.outline]


@pytest.mark.parametrize(
    "source",
    [b"x = " + b"(" * 10_000, b"[" * 10_000 + b"]" * 10_000, b"f'{" * 3_000, b"a" + b".b" * 100_000,
     b"".join(b" " * depth + b"if x:\n" for depth in range(1_000)) + b" " * 1_000 + b"import pkg",
     b"".join(b" " * depth + b"class A:\n" for depth in range(1_000)), b"\xff" * 1_000, b"def f(\n" * 500],
    ids=["brackets", "closed", "f-strings", "attributes", "ifs", "classes", "bytes", "definitions"],
)  # fmt: skip
def test_hostile_nesting_is_survived(source):
    start = time.perf_counter()
    scan(source)
    assert time.perf_counter() - start < 5


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, len(OUTLINED)), noise=st.binary(max_size=30))
def test_truncated_and_random_sources_never_crash(cut, noise):
    scan(OUTLINED.encode()[:cut] + noise)
    scan(noise)
