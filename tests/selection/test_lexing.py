"""Tokens that survive another layout and other names; and hostile texts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.selection.lexing import shingles, token_codes

CODE = """def total(items, start=0):  # the sum
    for item in items:
        start = start + item
    return start
"""


def codes(text: str, language: str = "Python") -> list[int]:
    return token_codes(text, language).tolist()


def test_layout_comments_and_names_do_not_count():
    other = """def  count( things , first = 9 ,) :
  for thing in things:

   first = first+thing # more
  return first"""
    assert codes(CODE) == codes(other)


def test_other_structure_counts():
    assert codes(CODE) != codes(CODE.replace("start + item", "item + start"))
    assert codes(CODE) != codes(CODE.replace("start + item", "start - item"))
    assert codes("if a: b") != codes("while a: b")


def test_comments_and_strings_of_each_family():
    assert codes("a // b\nc", "Go") == codes("a /* x */ c", "Go")
    assert codes("a // b", "Python") != codes("a", "Python")
    assert codes("x = 'it\\'s # none'") == codes('y = "other \\" text" # more')
    assert codes("x = 'it\\'s // none'", "Go") == codes('y = "other" // more', "Go")


def test_a_string_without_its_end_spoils_one_line():
    rest = CODE * 3
    assert codes("x = 'open\n" + rest)[-len(codes(rest)) + 40 :] == codes(rest)[40:]
    assert codes('"""one\n' + rest)[-len(codes(rest)) + 40 :] == codes(rest)[40:]


@given(st.text())
def test_any_text_has_codes(text):
    for language in ("Python", "C"):
        assert len(shingles(token_codes(text, language), 8)) == max(len(token_codes(text, language)) - 7, 0)


@pytest.mark.parametrize(
    "piece", ['"', "'", "'''", '"""', "/*", "/", "`", "\\", "#", "a", "rb", "0", '"\\', "`\\"]
)
def test_repeated_openings_take_no_quadratic_time(piece):
    start = time.perf_counter()
    for language in ("Python", "JavaScript"):
        token_codes(piece * (200_000 // len(piece)), language)
    assert time.perf_counter() - start < 5
