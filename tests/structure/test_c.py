"""C and C++ includes against the traps that resolvers fall into, and what one file says by itself."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.structure.c import scan

from .conftest import edges


def database(*calls: tuple[str, str], directory: str = "/home/someone/project/build") -> str:
    """A ``compile_commands.json`` of (source, flags)."""
    entries = [{"directory": directory, "file": f"../{file}", "command": f"cc {f} -c x"} for file, f in calls]
    return json.dumps(entries)


PROJECT = {
    "include/proj/api.h": "",
    "src/core/util.h": "",
    "src/core/detail/deep.h": "",
    "src/main.c": "",
    "config.h": "",
    "net/socket.h": "",
}


@pytest.mark.parametrize(
    ("path", "line", "target"),
    [
        ("src/core/a.c", '#include "util.h"', "src/core/util.h"),
        ("src/core/a.c", '  #  include\t"detail/deep.h" // why', "src/core/detail/deep.h"),
        ("src/core/detail/a.h", '#include "../util.h"', "src/core/util.h"),
        ("src/core/a.c", '#include "./detail/../util.h"', "src/core/util.h"),
        ("src/core/a.c", "#include <proj/api.h>", "include/proj/api.h"),
        ("src/core/a.c", '#include "proj/api.h"', "include/proj/api.h"),
        ("tests/a.cpp", '#include "core/util.h"', "src/core/util.h"),
        ("src/core/a.c", '#include "config.h"', "config.h"),
        ("src/core/a.c", '#include "net/socket.h"', "net/socket.h"),
        ("src/core/a.c", "#include <net/socket.h>", None),
        ("src/core/a.c", '#ifdef X\n#if Y\n#else\n#include "util.h"\n#endif\n#endif', "src/core/util.h"),
        ("src/core/a.c", '#if 0\n#else\n#include "util.h"\n#endif', "src/core/util.h"),
        ("src/core/a.c", 'garbage ((( "\n#include "util.h"', "src/core/util.h"),
        ("src/core/a.c", '#import "util.h"', "src/core/util.h"),
        ("src/core/a.c", '\ufeff#include "util.h"\r\n', "src/core/util.h"),
        # None of these includes anything of the repository.
        ("src/core/a.c", '/*\n#include "util.h"\n*/', None),
        ("src/core/a.c", '// \\\n#include "util.h"', None),
        ("src/core/a.cc", 'auto s = R"x(\n#include "util.h"\n)x";', None),
        ("src/core/a.c", '#define A \\\n#include "util.h"', None),
        ("src/core/a.c", '#if 0\n#if X\n#include "util.h"\n#endif\n#endif', None),
        ("src/core/a.c", '#define H "util.h"\n#include H', None),
        ("src/core/a.c", '#include "../../../../src/core/util.h"', None),
        ("src/core/a.c", '#include "/src/core/util.h"', None),
        ("src/core/util.h", '#include "util.h"', None),
        ("src/core/a.c", "#include <util.h>", None),
    ],
)
def test_forms_of_include(read, path, line, target):
    assert edges(read(PROJECT | {path: line})) == ({(path, target)} if target else set())


@pytest.mark.parametrize(
    "decoy",
    ["src/zlib.h", "zlib.h", "src/core/zlib.h", "src/other/zlib.h", "deps/zlib/zlib.h", "tests/zlib.h",
     "src/deps/include/zlib.h", "include/proj/zlib.h", "src/core/zlib/zlib.h", "include/zlib/zlib.h",
     "src/core/my_zlib.h"],
)  # fmt: skip
def test_outside_header_never_lands_on_a_decoy(read, decoy):
    blueprint = read({"src/core/a.c": "#include <zlib.h>", decoy: ""})
    assert edges(blueprint) == set()
    assert blueprint.external == ("zlib.h",)


@pytest.mark.parametrize(
    "decoy",
    ["deps/gtest/gtest.h", "tests/gtest/gtest.h", "deps/include/gtest/gtest.h", "gtest.h", "src/gtest.h"],
)
@pytest.mark.parametrize("written", ['"gtest/gtest.h"', "<gtest/gtest.h>"])
def test_suffix_is_no_match(read, decoy, written):
    assert edges(read({"src/a.cc": f"#include {written}", decoy: ""})) == set()


def test_same_named_file_in_another_folder_is_not_taken(read):
    files = {"src/a/config.h": "", "src/b/x.c": '#include "config.h"', "src/c/config.h": ""}
    blueprint = read(files)
    assert edges(blueprint) == set()
    assert blueprint.unresolved == (("src/b/x.c", '"config.h"'),)


def test_headers_of_the_system_are_outside_whatever_the_folders_hold(read):
    decoys = ["include/string.h", "include/vector", "include/sys/types.h", "src/time.h"]
    code = '#include <string.h>\n#include <vector>\n#include <sys/types.h>\n#include "time.h"\n'
    blueprint = read({"src/core/a.cc": code, "Makefile": "CFLAGS = -Iinclude\n"} | dict.fromkeys(decoys, ""))
    assert edges(blueprint) == set()
    assert blueprint.external == ("string.h", "sys/types.h", "time.h", "vector")


def test_what_several_folders_offer_stays_unresolved(read):
    blueprint = read({"include/x.h": "", "src/x.h": "", "lib/a.c": '#include "x.h"'})
    assert edges(blueprint) == set()
    assert blueprint.unresolved == (("lib/a.c", '"x.h"'),)


def test_computed_and_missing_includes_are_unresolved(read):
    blueprint = read({"a.c": '#include CONFIG(x)\n#include "gone.h"\n#include <gone/too.h>'})
    assert blueprint.unresolved == (("a.c", '"gone.h"'), ("a.c", "CONFIG(x)"))
    assert blueprint.external == ("gone/too.h",)


def test_project_calls_its_own_headers_by_its_name(read):
    files = {"proj/io/a.cpp": "#include <proj/base.h>\n#include <other/base.h>"}
    assert edges(read(files | {"proj/base.h": "", "other/base.h": ""})) == {("proj/io/a.cpp", "proj/base.h")}


def test_headers_without_a_suffix_are_read(read):
    files = {
        "lib/Core": '// Copyright\n#ifndef CORE\n#define CORE\n#include "src/a.inc"\n#endif',
        "lib/src/a.inc": '/* x */\n#include "b.h"',
        "lib/src/b.h": "",
        "script": '#!/bin/sh\n#include "lib/Core"',
        "notes": 'As in\n#include "lib/Core"',
    }
    assert edges(read(files)) == {("lib/Core", "lib/src/a.inc"), ("lib/src/a.inc", "lib/src/b.h")}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Makefile", "CFLAGS += -O2 -Ideps/zlib -Wall\n"),
        ("buildconfig.py", "flags = ['-O2', '-Ideps/zlib']\n"),
        ("Makefile.am", "AM_CPPFLAGS = -I$(top_srcdir)/deps/zlib\n"),
        ("CMakeLists.txt", "target_include_directories(proj PRIVATE\n  ${CMAKE_SOURCE_DIR}/deps/zlib)\n"),
        ("CMakeLists.txt", 'set(ZLIB_INCLUDE_DIR "${PROJECT_SOURCE_DIR}/deps/zlib")\n'),
        ("CMakeLists.txt", "set(Z ${ROOT}/deps/zlib)\ninclude_directories(SYSTEM ${Z})\n"),
        ("Makefile", "Z = deps/zlib\nall:\n\tcc -I$(Z) a.c\n"),
        ("meson.build", "inc = include_directories('deps/zlib')\n"),
        ("setup.py", "Extension('x', ['x.c'], include_dirs=['deps/zlib', numpy.get_include()])\n"),
        ("setup.py", 'include_dirs.append(os.path.join(HERE, "deps", "zlib"))\n'),
    ],
)
def test_build_files_name_include_folders(read, name, content):
    files = {"src/a.c": "#include <zlib.h>\n#include <png.h>", "deps/zlib/zlib.h": "", "deps/png/png.h": ""}
    assert edges(read(files | {name: content})) == {("src/a.c", "deps/zlib/zlib.h")}
    assert edges(read(files | {f"elsewhere/{name}": content})) == set()


def test_compilation_database_decides_by_its_order(read):
    files = {
        "one/x.h": "",
        "two/x.h": '#include_next <x.h>\n#include "y.h"',
        "two/y.h": "",
        "three/x.h": "",
        "include/z.h": "",
        "src/a.c": "#include <x.h>\n#include <z.h>",
        "src/b.c": '#include <x.h>\n#include "only.h"\n#include <only.h>',
        "quoted/only.h": "",
        "build/compile_commands.json": database(
            ("src/a.c", "-I../two -I ../one -isystem ../three -I/usr/include"),
            ("src/b.c", "-I/home/someone/project/three -iquote ../quoted"),
        ),
    }
    blueprint = read(files)
    assert edges(blueprint) == {
        ("src/a.c", "two/x.h"),
        ("two/x.h", "two/y.h"),
        ("src/b.c", "three/x.h"),
        ("src/b.c", "quoted/only.h"),
    }
    assert ("two/x.h", "<x.h>") in blueprint.unresolved  # its two readers go on to different files
    assert set(blueprint.external) == {"only.h", "z.h"}


@pytest.mark.parametrize(
    "content", ["", "{}", "[1, {}]", '[{"file": "a.c", "command": "cc \'"}]', "[" * 5000]
)
def test_broken_compilation_database_is_survived(read, content):
    files = {"compile_commands.json": content, "a.c": '#include "a.h"', "a.h": ""}
    assert edges(read(files)) == {("a.c", "a.h")}


def test_source_and_its_header_are_a_pair_and_no_cycle(read):
    files = {
        "include/thing.h": "",
        "src/thing.c": '#include "thing.h"\n#include "other.h"',
        "src/other.h": "",
        "src/main.c": '#include "thing.h"',
    }
    blueprint = read(files)
    assert {(edge.source, edge.target, edge.kind) for edge in blueprint.dependencies} == {
        ("src/thing.c", "include/thing.h", "header-pair"),
        ("src/thing.c", "src/other.h", "include"),
        ("src/main.c", "include/thing.h", "include"),
    }
    assert blueprint.order.index("include/thing.h") < blueprint.order.index("src/main.c")


@pytest.mark.parametrize(
    "source",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b"int f(" + b"(" * 10_000,
        b"namespace a {" * 10_000,
        b"class A {" * 10_000,
        b"class a\n" * 5_000,
        b"template <class T> " * 5_000,
        b"a::" * 20_000,
        b"int " + b"*" * 50_000 + b"x;",
        b"#if 1\n" * 10_000 + b'#include "a.h"\n' * 10_000,
        b"#include " * 10_000,
        b"/*" * 100_000,
        b'\\"' * 50_000,
        b'R"(' * 50_000,
        b"'" * 100_000,
        b"\\\n" * 100_000,
        b"\xff" * 10_000,
    ],
    ids=lambda source: source[:9].decode("latin-1"),
)
def test_hostile_sources_are_survived(source):
    start = time.perf_counter()
    facts = scan(source)
    assert time.perf_counter() - start < 5
    assert all(len(wanted.module) <= 1_000 for wanted in facts.imports)


_PIECES = st.sampled_from(
    [
        *(b"#include", b"<a.h>", b'"a.h"', b"#if 0\n", b"#else\n", b"#endif\n", b"#define A", b"\n", b"\\\n"),
        *(b"/*", b"*/", b"//", b'"', b"'", b'R"(', b"{", b"}", b"(", b")", b";", b"<", b">", b"::", b"= 1"),
        *(b"struct ", b"class X", b"namespace ", b"template", b"operator", b"int f", b"typedef ", b"\xff\0"),
    ]
)


@settings(max_examples=80, deadline=None)
@given(pieces=st.lists(_PIECES, max_size=30), noise=st.binary(max_size=30))
def test_random_sources_never_crash(pieces, noise):
    source = b"".join(pieces) + noise
    num_lines = source.count(b"\n") + 1
    facts = scan(source)
    assert facts.header_lines <= set(range(1, num_lines + 1))
    for entry in facts.outline:
        assert 1 <= entry.start_line <= entry.end_line <= num_lines
        assert "\n" not in entry.signature
