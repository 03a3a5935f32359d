"""Rust's crates, modules and paths against resolvers' traps, and what one file says by itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.structure.rust import scan

from .conftest import assert_outlined, edges

MANIFEST = '[package]\nname = "my-lib"\nedition = "2021"\n[dependencies]\nserde = "1"\n'
CRATE = {
    "Cargo.toml": MANIFEST,
    "src/lib.rs": "pub mod store;\nmod user;\npub use store::memory::Memory;\npub struct Error;\n",
    "src/store.rs": "pub mod memory;\npub fn open() {}\n",
    "src/store/memory.rs": "pub struct Memory;\n",
}


@pytest.mark.parametrize(
    ("code", "targets"),
    [
        ("use crate::store::open;", {"src/store.rs"}),
        ("use crate::store;", {"src/store.rs"}),
        ("use crate::Memory;", {"src/store/memory.rs"}),
        ("use crate::{Error, Memory as M};", {"src/lib.rs", "src/store/memory.rs"}),
        ("use super::store::{self, memory::*};", {"src/store.rs", "src/store/memory.rs"}),
        (
            "fn f() { crate::store::memory::Memory::new(1, super::Error) }",
            {"src/store/memory.rs", "src/lib.rs"},
        ),
        (
            "use crate::store as s; fn f() -> s::memory::Memory { s::open() }",
            {"src/store.rs", "src/store/memory.rs"},
        ),
        ("mod tests { use super::super::store::open; }", {"src/store.rs"}),
        ("fn f() { vec![crate::store::open(), 1] }", {"src/store.rs"}),
        ("struct A { a:crate::store::memory::Memory }", {"src/store/memory.rs"}),
        ('fn f() { "crate::store::open"; /* crate::Memory */ } // crate::Error', set()),
        ('fn f() { r#"crate::store::open""#; \'"\'; b"crate::Memory" }', set()),
        ("fn f() { store::open(); memory::Memory; }", set()),
        ("fn f<store>() { <u8 as std::Any>::store::open(); Self::store::open() }", set()),
        ("use store::open;", set()),
        ("use ::store::open;", set()),
    ],
)
def test_path_leads_to_the_file_that_defines_what_it_names(read, code, targets):
    blueprint = read(CRATE | {"src/user.rs": code})
    assert {target for source, target in edges(blueprint, "import") if source == "src/user.rs"} == targets


@pytest.mark.parametrize(
    "decoy",
    ["src/serde.rs", "serde.rs", "serde/src/lib.rs", "vendor/serde/src/lib.rs", "src/serde/mod.rs",
     "src/user/serde.rs", "crates/serde/src/lib.rs"],
)  # fmt: skip
@pytest.mark.parametrize(
    "code", ["use serde::Value;", "fn f() { serde::Value::new() }", "extern crate serde;"]
)
def test_outside_crate_never_lands_on_a_decoy(read, decoy, code):
    manifest = (
        decoy.removesuffix("src/lib.rs") + "Cargo.toml" if decoy.endswith("/src/lib.rs") else "x/Cargo.toml"
    )
    files = CRATE | {
        "src/user.rs": code,
        decoy: "pub struct Value;",
        manifest: MANIFEST.replace("my-lib", "serde"),
    }
    blueprint = read(files)
    assert not {target for source, target in edges(blueprint) if source == "src/user.rs"}
    assert blueprint.external == ("serde",)


def test_what_is_missing_stays_unresolved(read):
    files = CRATE | {
        "src/user.rs": "mod gone;\nuse crate::absent::X;\nuse gone::Y;",
        "src/orphan.rs": "use a::B;",
    }
    assert read(files).unresolved == (
        ("src/orphan.rs", "a::B"),
        ("src/user.rs", "crate::absent::X"),
        ("src/user.rs", "gone::Y"),
        ("src/user.rs", "mod gone"),
    )


@pytest.mark.parametrize(
    ("declaration", "file", "found"),
    [
        ("mod x;", "src/a/x.rs", True),
        ("mod x;", "src/a/x/mod.rs", True),
        ("mod x;", "src/x.rs", False),
        ("mod r#type;", "src/a/type.rs", True),
        ('#[path = "y.rs"] mod x;', "src/y.rs", True),
        ('#[path = "y.rs"] mod x;', "src/a/y.rs", False),
        ('#[cfg_attr(unix, path = "y.rs")] mod x;', "src/y.rs", True),
        ('#[cfg_attr(unix, path = "y.rs")] mod x;', "src/a/x.rs", True),
        ("mod i { mod x; }", "src/a/i/x.rs", True),
        ('#[path = "j"] mod i { mod x; }', "src/j/x.rs", True),
        ('mod i { #[path = "y.rs"] mod x; }', "src/a/i/y.rs", True),
        ("cfg_if::cfg_if! { if #[cfg(unix)] { mod x; } else { mod z; } }", "src/a/x.rs", True),
        ("cfg_if! { if #[cfg(unix)] { mod z; } else if #[cfg(a)] { mod x; } }", "src/a/x.rs", True),
        ("cfg_rt! { pub mod x; cfg_io! { fn f() { if a {} else {} } } }", "src/a/x.rs", True),
        ('include!("x.rs");', "src/x.rs", True),
        ('const A: &str = "mod x;"; // mod x;', "src/a/x.rs", False),
    ],
)
def test_declared_module_is_found_where_rustc_looks(read, declaration, file, found):
    files = {"Cargo.toml": MANIFEST, "src/lib.rs": "mod a;", "src/a.rs": declaration, file: ""}
    assert (("src/a.rs", file) in edges(read(files), "include")) == found


def test_two_files_for_one_module_are_none(read):
    blueprint = read({"Cargo.toml": MANIFEST, "src/lib.rs": "mod a;", "src/a.rs": "", "src/a/mod.rs": ""})
    assert edges(blueprint) == set()
    assert blueprint.unresolved == (("src/lib.rs", "mod a"),)


def test_edition_2015_looks_from_the_root(read):
    files = CRATE | {"src/user.rs": "use store::open; fn f() { ::store::open() }"}
    for edition, found in (("2015", True), ("2018", False)):
        manifest = MANIFEST.replace("2021", edition)
        assert (("src/user.rs", "src/store.rs") in edges(read(files | {"Cargo.toml": manifest}))) == found


def test_dependencies_of_a_workspace_are_seen_by_their_names_only(read):
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["*"]\n[workspace.dependencies]\none-x = { path = "one" }\n',
        "one/Cargo.toml": '[package]\nname = "one-x"\nedition = "2021"\n',
        "one/src/lib.rs": "pub struct A;",
        "two/Cargo.toml": '[package]\nname = "two"\n[lib]\nname = "second"\n',
        "two/src/lib.rs": "pub struct B;",
        "three/Cargo.toml": '[package]\nname = "three"\nedition = "2021"\n[dependencies]\n'
        "one-x.workspace = true\n"
        'deux = { package = "two", path = "../two" }\n',
        "three/src/main.rs": "use one_x::A; use deux::B; use second::B; use two::B; fn main() {}",
        "four/Cargo.toml": '[package]\nname = "four"\nedition = "2021"\n[dependencies]\none-x = "1"\n',
        "four/src/main.rs": "use one_x::A; fn main() {}",
    }
    blueprint = read(files)
    assert edges(blueprint) == {
        ("three/src/main.rs", "one/src/lib.rs"),
        ("three/src/main.rs", "two/src/lib.rs"),
    }
    assert blueprint.external == ("one_x", "second", "two")


@pytest.mark.parametrize(
    ("root", "found"),
    [
        ("#[macro_use] mod m; mod a;", True),
        ("mod m; mod a;", False),
        ("mod a; #[macro_use] mod m;", False),
    ],
)
def test_macros_are_in_scope_after_their_text(read, root, found):
    files = {"Cargo.toml": MANIFEST, "src/lib.rs": root, "src/m.rs": "macro_rules! go { () => {} }"}
    assert (("src/a.rs", "src/m.rs") in edges(read(files | {"src/a.rs": "fn f() { go!() }"}))) == found


def test_private_item_is_nothing_to_others(read):
    files = CRATE | {"src/store.rs": "mod open; pub fn open() {}", "src/store/open.rs": ""}
    assert ("src/user.rs", "src/store/open.rs") not in edges(
        read(files | {"src/user.rs": "use crate::store::open;"})
    )


def test_module_comes_after_the_file_around_it_only_where_it_uses_that(read):
    uses = read(CRATE | {"src/user.rs": "use super::Error;"}).order
    assert uses.index("src/lib.rs") < uses.index("src/user.rs")
    does_not = read(CRATE | {"src/user.rs": ""}).order
    assert does_not.index("src/lib.rs") > does_not.index("src/user.rs")


OUTLINED = """\
// Copyright someone

//! A crate.
use std::fmt;
#[macro_use]
mod other;

/// A point.
/// More.
#[derive(Debug)]
pub struct Point<T> {
    x: T,
}

impl<T> fmt::Display for Point<T> {
    /// Shows it.
    fn fmt(
        &self, // it
        f: &mut fmt::Formatter,
    ) -> fmt::Result {
        Ok(())
    }
}

pub const LIMIT: usize = 3;
static TABLE: [u8; 2] = [
    1, 2,
];
mod inner {
    pub trait Go { fn go(); }
}
macro_rules! m {
    () => {};
}
"""


def test_outline_and_header():
    facts = scan(OUTLINED.encode())
    assert [(entry.kind, entry.name, entry.depth, entry.signature) for entry in facts.outline] == [
        ("struct", "Point", 0, "pub struct Point<T>"),
        ("impl", "Point<T>", 0, "impl<T> fmt::Display for Point<T>"),
        ("method", "fmt", 1, "fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result"),
        ("constant", "LIMIT", 0, "pub const LIMIT: usize = 3"),
        ("static", "TABLE", 0, "static TABLE: [u8; 2] = …"),
        ("module", "inner", 0, "mod inner"),
        ("trait", "Go", 1, "pub trait Go"),
        ("method", "go", 2, "fn go()"),
        ("macro", "m", 0, "macro_rules! m"),
    ]
    assert facts.header_lines == {1, 3, 4, 5, 6}
    point, _, method, *_ = facts.outline
    assert (point.doc, point.decorators) == ("A point.", ("#[derive(Debug)]",))
    assert point.signature_lines == {8, 10, 11}
    assert (method.doc, method.signature_lines) == ("Shows it.", {16, 17, 18, 19, 20})


@pytest.mark.parametrize(
    "source",
    [b"fn f() { " + b"(" * 10_000, b"[" * 10_000 + b"]" * 10_000, b"mod a { " * 10_000, b"\xff" * 1_000,
     b"use a::{" * 10_000, b"use " + b"a::" * 50_000 + b"b;", b"#[a]\n" * 20_000, b"a! { mod x; " * 5_000,
     b"/*" * 5_000, b"::a" * 50_000, b"a " * 100_000, b"mod a; " * 20_000],
    ids=lambda source: source[-9:].decode("latin-1"),
)  # fmt: skip
def test_hostile_sources_are_survived(source):
    start = time.perf_counter()
    scan(source)
    assert time.perf_counter() - start < 5


def test_hostile_crates_are_survived(read):
    twice = '#[path = "m0.rs"] mod a; #[path = "m0.rs"] mod b;'
    files = {
        "Cargo.toml": MANIFEST,
        "src/lib.rs": twice,
        "src/m0.rs": twice.replace("m0", "m1"),
    }
    for number in range(1, 40):
        pair = "".join(f'#[path = "m{number + 1}.rs"] mod {name};' for name in "ab")
        files[f"src/m{number}.rs"] = pair + f"pub use super::x{number} as x{number + 1}; pub use self::*;"
    start = time.perf_counter()
    assert len(read(files).order) == len(files)
    chain = "".join(f"use a{number} as a{number + 1};" for number in range(5_000))
    read({"Cargo.toml": MANIFEST, "src/lib.rs": chain})
    read({"Cargo.toml": "[" * 10_000, "src/lib.rs": "mod a;"})
    assert time.perf_counter() - start < 10


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 400), length=st.integers(0, 600), noise=st.binary(max_size=30))
def test_truncated_and_random_sources_never_crash(start, length, noise):
    scan(noise)
    cut = OUTLINED.encode()[start : start + length]
    assert_outlined(scan, cut)
