"""Go imports against the traps that resolvers fall into, and what one file says by itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.structure.go import scan

from .conftest import assert_outlined, edges

MODULE = {
    "go.mod": "module example.com/m // comment\n\ngo 1.20\n",
    "store/store.go": "package store\n\nfunc Open() {}\n",
    "store/memory.go": "package store\n\ntype Memory struct{}\n\nfunc (m *Memory) Close() {}\n",
    "store/memory_test.go": "package store\n\nfunc OnlyInTests() {}\n",
}


@pytest.mark.parametrize(
    ("code", "targets"),
    [
        ('import "example.com/m/store"\nfunc f() { store.Open() }', {"store/store.go"}),
        ('import "example.com/m/store"\nvar m store.Memory', {"store/memory.go"}),
        (
            'import s "example.com/m/store"\nvar m = []*s.Memory{}\nvar o = s.Open',
            {"store/memory.go", "store/store.go"},
        ),
        ('import . "example.com/m/store"\nvar m Memory', {"store/memory.go"}),
        ('import _ "example.com/m/store"', {"store/store.go"}),
        ('import (\n\t"fmt"\n\t`example.com/m/store`\n)\nvar m store.Memory', {"store/memory.go"}),
        ('import "example.com/m/store"\nfunc f(store T) { store.Memory() }', {"store/store.go"}),
        ('import "fmt"\nfunc f() { store.Open() }', set()),
    ],
)
def test_import_leads_to_the_files_that_define_what_is_used(read, code, targets):
    blueprint = read(MODULE | {"main.go": f"package main\n{code}\n"})
    assert edges(blueprint, "import") == {("main.go", target) for target in targets}


def test_files_for_several_systems_are_all_reached(read):
    files = {
        f"store/open_{system}.go": "package store\n\nfunc Sync() {}\n" for system in ("linux", "windows")
    }
    code = 'package main\nimport "example.com/m/store"\nvar _ = store.Sync'
    assert edges(read(MODULE | files | {"main.go": code}), "import") == {("main.go", path) for path in files}


def test_name_of_a_package_is_what_its_files_say(read):
    files = {"yaml.v3/api.go": "package yaml\n\nfunc Load() {}\n", "yaml.v3/yaml.go": "package yaml\n"}
    code = 'package main\nimport "example.com/m/yaml.v3"\nvar _ = yaml.Load'
    assert edges(read(MODULE | files | {"main.go": code})) == {("main.go", "yaml.v3/api.go")}


def test_qualifiers_stay_with_their_names():
    code = b"""package a
func f(p Q) { a.B(c.D(p.E), x.y.Z, g.
  H).I().J; for _, k := range l.M { k.N(o.P{q.R: s.T}) }; var u v.W[w.X] }
"""
    uses = sorted(f"{wanted.module}.{wanted.name}" for wanted in scan(code).imports if wanted.kind == "use")
    assert uses == ["a.B", "c.D", "g.H", "l.M", "o.P", "q.R", "s.T", "v.W", "w.X", "x.y"]


def test_use_within_a_package(read):
    files = {
        "go.mod": "module m\n",
        "a.go": "package m\n\nfunc Do() { x := helper(); limit := 1; use(x, limit, T{Field: 1}) }\n",
        "b.go": "package m\n\nfunc helper() int { return 1 }\n",
        "c.go": "package m\n\nconst limit = 3\n",
        "d.go": "package m\n\ntype Field int\n",
        "t.go": "package m\n\ntype T struct{ Field int }\n\nfunc (t T) helper() {}\n",
        "sub/b.go": "package m\n\nfunc use() {}\n",
        "use_test.go": "package m\n\nfunc use() { helper() }\n",
        "x_test.go": "package m_test\n\nfunc helper2() { helper(); use() }\n",
    }
    blueprint = read(files)
    assert edges(blueprint, "same-package") == {
        ("a.go", "b.go"),
        ("a.go", "t.go"),
        ("use_test.go", "b.go"),
    }


@pytest.mark.parametrize(
    "decoy",
    ["github.com/other/store/store.go", "vendor/github.com/other/store/store.go", "other/store/store.go",
     "store/store.go", "m/github.com/other/store/store.go", "example.com/m/store/store.go"],
)  # fmt: skip
@pytest.mark.parametrize("wanted", ["github.com/other/store", "example.com/mm/store", "store", "other/store"])
def test_outside_package_never_lands_on_a_decoy(read, decoy, wanted):
    code = f'package main\nimport "{wanted}"\nvar _ = store.Open'
    blueprint = read({"go.mod": MODULE["go.mod"], "main.go": code, decoy: MODULE["store/store.go"]})
    assert edges(blueprint) == set()
    assert blueprint.external == (wanted,)


def test_module_within_a_module_has_its_own_paths(read):
    code = 'package main\nimport "example.com/m/store"\nvar _ = store.Open'
    nested = {"store/go.mod": "module example.com/other\n"}
    assert edges(read(MODULE | nested | {"main.go": code})) == set()
    renamed = {"store/go.mod": "module example.com/m/store\n", "main.go": code}
    assert edges(read(MODULE | renamed)) == set()  # a release of it is meant
    replacing = {"go.mod": MODULE["go.mod"] + "replace (\n\texample.com/m/store v1.0.0 => ./store\n)\n"}
    assert edges(read(MODULE | renamed | replacing)) == {("main.go", "store/store.go")}
    workspace = {"go.work": "go 1.20\nuse (\n\t.\n\t./store\n)\n"}
    assert edges(read(MODULE | renamed | workspace)) == {("main.go", "store/store.go")}


def test_longest_module_prefix_counts(read):
    files = {
        "go.work": "use .\nuse ./deep\n",
        "go.mod": "module a.b/m\n",
        "deep/go.mod": "module a.b/m/x\n",
        "deep/y/y.go": "package y\n",
        "x/y/y.go": "package y\n",
        "main.go": 'package main\nimport _ "a.b/m/x/y"',
    }
    assert edges(read(files)) == {("main.go", "deep/y/y.go")}


def test_missing_package_of_the_module_is_unresolved(read):
    code = 'package main\nimport "example.com/m/gone"\nimport "os"'
    blueprint = read(MODULE | {"main.go": code})
    assert blueprint.unresolved == (("main.go", "example.com/m/gone"),)
    assert blueprint.external == ("os",)


OUTLINED = """\
// Copyright someone

// Package a does.
package a

import (
	"fmt"
)

// F does it.
// And more.
func F[T any](
	a int, // why
	b ...string,
) (int, error) {
	return 0, nil
}

func (r *Recv[T]) M() { fmt.Println() }

type S struct {
	A int
}
type (
	// I is one.
	I interface {
		// Do does.
		Do(a int) error
	}
	A = func(int) bool
)

const K = 1
const (
	// L and M.
	L, M = iota, 2
)

var table = map[string]int{
	"a": 1,
}
"""


def test_outline_and_header():
    facts = scan(OUTLINED.encode())
    assert [(entry.kind, entry.name, entry.depth, entry.signature) for entry in facts.outline] == [
        ("function", "F", 0, "func F[T any](a int, b ...string) (int, error)"),
        ("method", "M", 0, "func (r *Recv[T]) M()"),
        ("struct", "S", 0, "type S struct"),
        ("interface", "I", 0, "type I interface"),
        ("method", "Do", 1, "Do(a int) error"),
        ("type", "A", 0, "type A = func(int) bool"),
        ("constant", "K", 0, "const K = 1"),
        ("constant", "L", 0, "const L, M = iota, 2"),
        ("constant", "M", 0, "const L, M = iota, 2"),
        ("variable", "table", 0, "var table …"),
    ]
    assert facts.header_lines == {1, 3, 6, 7, 8}
    entries = {entry.name: entry for entry in facts.outline}
    docs = {name: entry.doc for name, entry in entries.items() if entry.doc}
    assert docs == {
        "F": "F does it.",
        "I": "I is one.",
        "Do": "Do does.",
        "L": "L and M.",
        "M": "L and M.",
    } | ({})
    assert entries["F"].signature_lines == {10, 12, 13, 14, 15}
    assert entries["S"].signature_lines == {21}
    assert (entries["table"].start_line, entries["table"].end_line) == (39, 41)


@pytest.mark.parametrize(
    "source",
    [b"package a\nvar x = " + b"(" * 10_000, b"[" * 10_000 + b"]" * 10_000, b"func f() {" * 3_000,
     b"\xff" * 1_000,
     b"package a\nfunc f() { " + b"if x {" * 5_000 + b"a" + b".b" * 50_000, b"type a struct {" * 5_000,
     b"import (" * 5_000, b"package a\nvar x = " + b"T{a: " * 5_000],
    ids=lambda source: source[-9:].decode("latin-1"),
)  # fmt: skip
def test_hostile_sources_are_survived(source):
    start = time.perf_counter()
    scan(source)
    assert time.perf_counter() - start < 5


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 300), length=st.integers(0, 600), noise=st.binary(max_size=30))
def test_truncated_and_random_sources_never_crash(start, length, noise):
    scan(noise)
    cut = OUTLINED.encode()[start : start + length]
    assert_outlined(scan, cut)
