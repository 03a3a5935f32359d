"""Checks of drafts: what they find, and above all what they leave alone, since what they say is learnt."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.agents import Checker, check
from builder.agents.checks import KINDS, observation
from builder.repository import SkippedFile, load
from builder.structure import analyze

STORE = '''"""Keeps things."""
import json

LIMIT = 10


class Store:
    """A place."""

    def open(self, path):
        return json.loads(path)

    def close(self):
        pass


def load(path):
    return Store().open(path)
'''
APP = "from shop.store import Store, load\n\n\ndef main(path):\n    return load(path)\n"


@pytest.fixture(scope="module")
def shop(make_repository):
    contents = {
        "shop/__init__.py": "from shop.store import *\n",
        "shop/app.py": APP,
        "shop/helpers.py": "from json import dumps as write\n\nfor number in range(3):\n    pass\n",
        "shop/later.py": "from shop.app import main\n\n\ndef late():\n    return main('x')\n",
        "shop/lazy.py": "def __getattr__(name):\n    return name\n",
        "shop/store.py": STORE,
    }
    blueprint = analyze(make_repository(contents))
    assert blueprint.order.index("shop/app.py") < blueprint.order.index("shop/later.py")
    return blueprint


def keys(draft, path, blueprint, whole=True):
    return [defect.key for defect in check(draft, path, blueprint, whole)]


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (APP, []),
        ("def main(path:\n    return path\n", ["parse:line 1"]),
        ("from shop.stores import load\n\ndef main(path): ...\n", ["import:shop.stores.load"]),
        ("from .nowhere import load\n\ndef main(path): ...\n", ["import:.nowhere.load"]),
        ("from shop.store import lod\n\ndef main(path): ...\n", ["name:shop/store.py:lod"]),
        ("from shop.store import open\n\ndef main(path): ...\n", ["name:shop/store.py:open"]),  # a method
        ("def run(path): ...\n", ["contract:main"]),
        ("print(main)\n\ndef run(path, main): ...\n", []),  # may be bound in some way: not told
    ],
)
def test_what_a_python_draft_gets_wrong_is_named(shop, draft, expected) -> None:
    assert keys(draft, "shop/app.py", shop) == expected


@pytest.mark.parametrize(
    "line",
    [
        "import shop.store",
        "import numpy",  # outside
        "from json import nothing",  # outside, whatever it has
        "from shop import store",  # a submodule
        "from shop import later",  # one that is planned
        "from shop import anything",  # a star import may bring it
        "from shop.helpers import write, number",  # what it imports, what a loop binds
        "from shop.lazy import anything",  # made when asked for
        "from shop.later import anything",  # written later: nobody knows yet what it will have
        "from shop.store import __name__, __doc__",
    ],
)
def test_what_could_be_right_is_no_defect(shop, line) -> None:
    assert keys(f"{line}\n\n\ndef main(path): ...\n", "shop/app.py", shop) == []


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        ("def load(path): ...\nLIMIT = 1\n", ["contract:Store"]),  # and not each of its methods
        ("LIMIT = 1\nload = print\nclass Store:\n    def open(self): ...\n", ["contract:Store.close"]),
        ("LIMIT = 1\nload = print\nclass Store:\n    open = close = None\n", []),
        # A base that the contract does not know may have them.
        ("LIMIT = 1\nload = print\nclass Store(Base):\n    pass\n", []),
        ("from other import LIMIT, load, Store\n", []),
        ("from other import *\nprint(LIMIT)\n", ["contract:Store", "contract:load"]),  # never mentioned
    ],
)
def test_names_of_the_contract_count_where_a_draft_could_not_have_them(shop, draft, expected) -> None:
    assert keys(draft, "shop/store.py", shop) == expected


def test_a_draft_that_was_cut_off_is_not_asked_for_the_rest_of_its_contract(shop) -> None:
    assert keys("LIMIT = 1\n", "shop/store.py", shop, whole=False) == []
    assert keys("from .gone import x\n", "shop/store.py", shop, whole=False) == ["import:.gone.x"]


@pytest.mark.parametrize(
    ("cut", "kept"),
    [
        ("LIMIT = 1\n\ndef load(pa", "LIMIT = 1\n\n"),
        ("LIMIT = 1\n\ndef load(path):\n    return Sto", "LIMIT = 1\n\n"),
        ("LIMIT = 1\n\nclass Store:\n    def open(self):\n        x = (1,\n        2", "LIMIT = 1\n\n"),
        ('def load(path):\n    """Never', ""),
        ("I will write it", ""),
        ("", ""),
    ],
)
def test_what_is_cut_off_is_cut_back_to_what_parses(shop, cut, kept) -> None:
    checker = Checker(shop)
    assert checker.unfinished(cut, "shop/store.py") == kept
    assert not checker.check(kept, "shop/store.py", whole=False)


def test_a_submodule_that_was_left_out_of_the_repository_may_be_imported(make_repository) -> None:
    from dataclasses import replace

    repository = make_repository({"p/__init__.py": "A = 1\n", "p/b.py": "from p import A\n\nB = A\n"})
    with_binary = replace(repository, skipped=(SkippedFile("p/_fast.so", "binary"),))
    draft = "from p import _fast, _slow\n\nB = 1\n"
    assert keys(draft, "p/b.py", analyze(with_binary)) == ["name:p/__init__.py:_slow"]


def test_what_the_repository_itself_imports_in_vain_is_generated(make_repository) -> None:
    contents = {"p/__init__.py": "from p._version import v\n", "p/b.py": "B = 1\n"}
    draft = "from p._version import v\nfrom p._versoin import v\n\nB = 1\n"
    blueprint = analyze(make_repository(contents))
    assert blueprint.unresolved
    assert keys(draft, "p/b.py", blueprint) == ["import:p._versoin.v"]


GO = {
    "go.mod": "module example.com/m\n",
    "store/store.go": "package store\n\ntype Store struct{}\n\nfunc Open(path string) {}\n",
    "main.go": 'package main\n\nimport "example.com/m/store"\n\nfunc main() { store.Open("x") }\n',
}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('store.Open("x")', []),
        ('store.Close("x")', ["name:store:Close"]),
        ("var s *store.Store; s.Anything()", []),  # a method is its type's affair
        ("store := thing(); store.Close()", []),  # a name of its own
        ("store.Open(", ["parse:line"]),
    ],
)
def test_go(make_repository, body, expected) -> None:
    blueprint = analyze(make_repository(GO))
    draft = f'package main\n\nimport "example.com/m/store"\n\nfunc main() {{ {body} }}\n'
    assert [key.partition(" ")[0] for key in keys(draft, "main.go", blueprint)] == expected
    gone = draft.replace("m/store", "m/stores")
    if "parse" not in "".join(expected):
        assert "import:example.com/m/stores" in keys(gone, "main.go", blueprint)


def test_what_tests_of_a_go_package_open_up_for_other_tests_is_not_missing(make_repository) -> None:
    test = 'package store_test\n\nimport "example.com/m/store"\n\nfunc TestX() { store.Hidden() }\n'
    contents = {
        **GO,
        "store/export_test.go": "package store\n\nvar Hidden = hidden\n",
        "store/x_test.go": test,
    }
    assert keys(test, "store/x_test.go", analyze(make_repository(contents))) == []


def test_a_go_package_of_which_a_file_is_still_to_come_is_not_judged(make_repository) -> None:
    more = {"store/more.go": 'package store\n\nimport "example.com/m/use"\n\nfunc More() { use.It() }\n'}
    use = 'package use\n\nimport "example.com/m/store"\n\nfunc It() { store.%s() }\n'
    blueprint = analyze(make_repository({**GO, **more, "use/use.go": use % "Open"}))
    assert blueprint.order.index("use/use.go") < blueprint.order.index("store/more.go")
    assert keys(use % "Unheard", "use/use.go", blueprint) == []


def test_javascript_typescript_and_c(make_repository) -> None:
    contents = {
        "lib.js": "export function load(path) { return path }\nexport class Store { open() {} }\n",
        "use.ts": "import { load } from './lib.js'\n\nexport function main(): void { load('x') }\n",
        "a.h": "int add(int a, int b);\n",
        "a.c": '#include "a.h"\n\nint add(int a, int b) { return a + b; }\n',
    }
    blueprint = analyze(make_repository(contents))
    for path, content in contents.items():
        assert keys(content, path, blueprint) == []
    assert keys("export const load = make()\nclass Store { }\n", "lib.js", blueprint) == [
        "contract:Store.open"
    ]
    assert keys("import './gone.js'\nexport function main() {}\n", "use.ts", blueprint) == [
        "import:./gone.js"
    ]
    assert keys("export function main( {\n", "use.ts", blueprint)[0].startswith("parse:")
    assert keys('#include "gone.h"\nint sub(int a) { return a; }\n', "a.c", blueprint) == [
        'import:"gone.h"',
        "contract:add",
    ]


@pytest.mark.parametrize(
    ("path", "draft"),
    [
        ("a.php", '<?php\nrequire "pages/$page.php";\n'),
        ("a.rb", 'require "pages/#{page}"\n'),
        ("a.c", "#include PAGES\nint a;\n"),
    ],
)
def test_an_import_that_is_computed_is_not_judged(make_repository, path, draft) -> None:
    blueprint = analyze(make_repository({path: "\n", "pages/x.py": "A = 1\n"}))
    assert keys(draft, path, blueprint) == []


def test_a_grammar_that_cannot_read_the_real_file_says_nothing_of_a_draft(make_repository) -> None:
    blueprint = analyze(make_repository({"a.py": "def f(:\n    pass\n", "b.py": "def f(): ...\n"}))
    assert keys("def g(:\n", "a.py", blueprint) == []
    assert keys("def g(:\n", "b.py", blueprint) == ["parse:line 1"]


def test_files_that_no_language_here_reads_have_no_defects(make_repository) -> None:
    blueprint = analyze(make_repository({"README.md": "# x\n", "a.py": "A = 1\n"}))
    assert keys("def f(:\n", "README.md", blueprint) == []


@pytest.mark.parametrize("package", ["pluggy", "iniconfig", "tenacity", "jinja2", "builder"])
def test_real_files_have_no_defects(package) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    blueprint = analyze(load(str(Path(spec.origin).parent)))
    checker = Checker(blueprint)
    found = {file.path: checker.check(file.content, file.path) for file in blueprint.repository.files}
    assert len(found) >= 3
    assert not {path: defects for path, defects in found.items() if defects}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200) | st.text(alphabet="()[]:=\"' \n\tdefclassimport.*", max_size=200))
@example("\udc80(")
@example("from . import " + "x" * 5000)
@example("\n".join(f"from .gone import x{number}" for number in range(99)))
@example("(" * 3000)
def test_whatever_a_draft_is_the_observation_is_short_and_plain(shop, draft) -> None:
    defects = check(draft, "shop/store.py", shop)
    assert len(defects) <= 10
    assert all(defect.kind in KINDS for defect in defects)
    shown = observation(defects, whole=True)
    assert shown.count("\n") == len(defects) and len(shown) <= 300 * len(defects)
    assert check(draft, "shop/store.py", shop) == defects
