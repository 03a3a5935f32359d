"""What the outline and the header of one C or C++ file are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.structure.c import scan

C = """\
/* Copyright someone,
 * all rights. */
#ifndef A_H
#define A_H
#include <stdio.h>  /* why */
#ifdef __cplusplus
extern "C" {
#endif

#define LIMIT 3  /* trailing */
#define SWITCH

/** The larger one.
 *  More.
 */
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define LOOP(x) \\
  do { x } while (0)

/* @brief Opens it. */
LIB_API int open_it(int a,  // why
                    char *b);
int counter;  // not about the next one
// First.
// Second.
static inline char *name(void) { return 0; }

typedef struct node {
  int a;
} node_t;
struct bar {
  struct inner { int y; } x;
};
typedef int (*callback)(int);
int (*pointer)(int);
enum color { RED };
static const char *const TABLE[] = {
  "a",
};

PyMODINIT_FUNC
PyInit_x(void)
{
  struct local { int z; };
}
#ifdef __cplusplus
}
#endif
#endif /* A_H */
"""

CPP = """\
#pragma once
#include <string>
namespace a::b {
namespace {

/// A thing.
template <class T>
class Thing final : public Base<T> {
 public:
  explicit Thing(int a)
      : a_(a) {}
  ~Thing() override = default;
  int operator+(int) const noexcept;
  operator bool() const { return true; }
  template <typename U> void method(U u) const;
  enum class Kind : int { A };
  using type = int;
  std::string field_;
};
class EXPORT Shown : public Base<int> {
  int f();
};
}
template <typename T>
T Thing<T>::method(U u) const {
  return [](int x) { return x; }(1);
}
constexpr int K = 4;
auto h(int x) -> int;
}
"""


def outlined(source: str) -> list[tuple[str, int, str]]:
    return [(entry.kind, entry.depth, entry.signature) for entry in scan(source.encode()).outline]


def test_outline_and_header_of_c():
    facts = scan(C.encode())
    assert outlined(C) == [
        ("constant", 0, "#define LIMIT 3"),
        ("macro", 0, "#define MAX(a, b)"),
        ("macro", 0, "#define LOOP(x)"),
        ("function", 0, "LIB_API int open_it(int a, char *b)"),
        ("function", 0, "static inline char *name(void)"),
        ("struct", 0, "typedef struct node { … } node_t"),
        ("struct", 0, "struct bar"),
        ("struct", 1, "struct inner"),
        ("type", 0, "typedef int (*callback)(int)"),
        ("enum", 0, "enum color"),
        ("constant", 0, "static const char *const TABLE[] …"),
        ("function", 0, "PyMODINIT_FUNC PyInit_x(void)"),
    ]
    assert facts.header_lines == {1, 2, 3, 4, 5, 49}
    entries = {entry.name: entry for entry in facts.outline}
    docs = {name: entry.doc for name, entry in entries.items() if entry.doc}
    assert docs == {"MAX": "The larger one.", "open_it": "Opens it.", "name": "First."}
    assert entries["open_it"].signature_lines == {20, 21, 22}
    assert entries["name"].signature_lines == {24}  # its own line also holds the body
    assert entries["LOOP"].signature_lines == {17}
    assert (entries["PyInit_x"].start_line, entries["PyInit_x"].end_line) == (41, 45)
    assert entries["PyInit_x"].signature_lines == {41, 42, 43}
    assert entries["TABLE"].signature_lines == {37}


def test_outline_and_header_of_cpp():
    facts = scan(CPP.encode())
    assert outlined(CPP) == [
        ("namespace", 0, "namespace a::b"),
        ("class", 1, "template <class T> class Thing final : public Base<T>"),
        ("method", 2, "explicit Thing(int a)"),
        ("method", 2, "~Thing() override = default"),
        ("method", 2, "int operator+(int) const noexcept"),
        ("method", 2, "operator bool() const"),
        ("method", 2, "template <typename U> void method(U u) const"),
        ("enum", 2, "enum class Kind : int"),
        ("type", 2, "using type = int"),
        ("class", 1, "class EXPORT Shown : public Base<int>"),
        ("method", 2, "int f()"),
        ("method", 1, "template <typename T> T Thing<T>::method(U u) const"),
        ("constant", 1, "constexpr int K = 4"),
        ("function", 1, "auto h(int x) -> int"),
    ]
    assert facts.header_lines == {1, 2}
    entries = [(entry.name, entry) for entry in facts.outline]
    assert [name for name, _ in entries[1:4]] == ["Thing", "Thing", "~Thing"]
    thing, constructor = entries[1][1], entries[2][1]
    assert (thing.doc, thing.start_line, thing.end_line) == ("A thing.", 7, 19)
    assert thing.signature_lines == {6, 7, 8}
    assert constructor.signature_lines == {10}  # what it initialises is body
    assert [entry.name for name, entry in entries if name == "Shown"] == ["Shown"]


@pytest.mark.parametrize(
    ("code", "is_guard"),
    [
        ("#ifndef A\n#define A\nint x;\n#endif\n", True),
        ("#if !defined(A)\n#define A 1\n#if X\n#endif\n#endif", True),
        ("#pragma once\n#ifndef A\n#define A\n#endif", True),
        ("#ifndef A\n#define A 1\n#endif\n#if X\n#endif\n", False),
        ("#ifdef A\n#define A 1\nint x;\n#endif\n", False),
        ("#ifndef A\n#define B 1\nint x;\n#endif\n", False),
        ("#ifndef A\n#define A 1\nint x;\n", False),
    ],
)
def test_guards_are_header_and_no_constants(code, is_guard):
    facts = scan(code.encode())
    assert {line for line in facts.header_lines if "pragma" not in code.split("\n")[line - 1]} == (
        {number for number, line in enumerate(code.split("\n"), 1) if " A" in line or "(A)" in line}
        | {code.rstrip().count("\n") + 1}
        if is_guard
        else set()
    )
    assert not is_guard or "A" not in [entry.name for entry in facts.outline]


def test_long_signatures_are_bounded():
    parameters = ", ".join(f"int argument{n}" for n in range(1000))
    (entry,) = scan(f"int f({parameters}) {{ return 1; }}".encode()).outline
    assert entry.name == "f" and len(entry.signature) <= 300


@settings(max_examples=60, deadline=None)
@given(source=st.sampled_from([C, CPP]), start=st.integers(0, 900), length=st.integers(0, 900))
def test_lines_of_a_cut_source_exist(source, start, length):
    cut = source[start : start + length]
    num_lines = cut.count("\n") + 1
    for entry in scan(cut.encode()).outline:
        assert entry.name and entry.signature
        assert 1 <= entry.start_line <= entry.end_line <= num_lines
        assert all(1 <= line <= entry.end_line for line in entry.signature_lines)
