"""What one JavaScript or TypeScript file says by itself, whatever state it is in."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.structure.javascript import scan, tsx, typescript

TYPED = """\
#!/usr/bin/env node
// Copyright someone
'use strict';

import { a } from './a';
import b from './b';
export * from './c';

/**
 * A thing.
 *
 * @public
 */
@Decorated({ of: 'things' }) // why
export abstract class Thing<T> extends Base<T> implements Other {
  private readonly field: string = 'x';
  /** Do. */
  @bound()
  async method(
    a: number = 1, // a comment, with (brackets
    ...rest: string[]
  ): Promise<void> {
    function inner() {}
  }
  handler = (event: Event) => {
    return 1;
  };
  abstract size(): number;
  get value(): T { return this.field; }
  static {}
}

export interface Shape { area(): number; name: string }
export interface Wide extends Shape {
  /** @deprecated */
  width(of: string): number;
  height: number;
}
export type Name = string | number;
export type Table = {
  a: number;
};
export const enum Color { Red, Green }
namespace Space.Inner {
  export function far(): void {}
}
declare function declared(a: string): void;
export function over(a: string): string;
export function over(a: unknown) {
  return a;
}
export const LIMIT = 10, table = {
  1: 2,
};
const local = 1;
const arrow = async <T,>(a: T): Promise<T> => {
  return a;
};
export default function () {}
"""

PLAIN = """\
/*!
 * licence
 */

'use strict'

/** Dependencies. */
var a = require('a')
var b = require('./b').c, d = require('e')('f')
var app = exports = module.exports = {}
const LIMIT = 5

/**
 * Set it.
 */
res.status = function status(code) {
  return this
}
Thing.prototype.move = function (by) {
}
exports.x = exports.y = (n) => n
module.exports = class Main extends Base {
  #secret = () => {}
  static async *items() {}
};
(function () {
  function wrapped() {
  }
})()
"""


def test_outline_of_typescript():
    facts = typescript.scan(TYPED.encode())
    assert facts.header_lines == {1, 2, 3, 5, 6}
    assert [(entry.kind, entry.depth, entry.signature) for entry in facts.outline] == [
        ("class", 0, "export abstract class Thing<T> extends Base<T> implements Other"),
        ("method", 1, "async method(a: number = 1, ...rest: string[]): Promise<void>"),
        ("method", 1, "handler = (event: Event) =>"),
        ("method", 1, "abstract size(): number"),
        ("method", 1, "get value(): T"),
        ("interface", 0, "export interface Shape { area(): number; name: string }"),
        ("interface", 0, "export interface Wide extends Shape"),
        ("method", 1, "width(of: string): number"),
        ("type", 0, "export type Name = string | number"),
        ("type", 0, "export type Table = …"),
        ("enum", 0, "export const enum Color { Red, Green }"),
        ("namespace", 0, "namespace Space.Inner"),
        ("function", 1, "export function far(): void"),
        ("function", 0, "declare function declared(a: string): void"),
        ("function", 0, "export function over(a: string): string"),
        ("function", 0, "export function over(a: unknown)"),
        ("constant", 0, "export const LIMIT = 10"),
        ("constant", 0, "export const table = …"),
        ("function", 0, "const arrow = async <T,>(a: T): Promise<T> =>"),
        ("function", 0, "export default function ()"),
    ]
    entries = {entry.name: entry for entry in facts.outline}
    thing, method, value = entries["Thing"], entries["method"], entries["value"]
    assert thing.decorators == ("@Decorated({ of: 'things' })",)
    assert method.decorators == ("@bound()",)
    assert (thing.doc, method.doc, entries["width"].doc) == ("A thing.", "Do.", "")
    assert (thing.start_line, thing.end_line) == (9, 31)
    assert thing.signature_lines == {10, 14, 15}
    assert method.signature_lines == {17, 18, 19, 20, 21, 22}
    assert value.signature_lines == set()  # its line also holds the body
    assert entries["Shape"].signature_lines == {33}
    assert entries["Table"].signature_lines == {40}


def test_outline_of_older_javascript():
    facts = scan(PLAIN.encode())
    assert facts.header_lines == {1, 2, 3, 5, 8, 9}
    assert [(entry.kind, entry.depth, entry.name, entry.signature) for entry in facts.outline] == [
        ("constant", 0, "LIMIT", "const LIMIT = 5"),
        ("function", 0, "status", "res.status = function status(code)"),
        ("method", 0, "move", "Thing.prototype.move = function (by)"),
        ("function", 0, "x", "exports.x = exports.y = (n) =>"),
        ("class", 0, "Main", "module.exports = class Main extends Base"),
        ("method", 1, "#secret", "#secret = () =>"),
        ("method", 1, "items", "static async *items()"),
        ("function", 0, "wrapped", "function wrapped()"),
    ]
    assert facts.outline[1].doc == "Set it."


def test_jsx_is_read_in_both_languages():
    code = b"export const Page = () => <A b={import('./b')}>text's {require('./c')}</A>;"
    for facts in (scan(code), tsx.scan(code)):
        assert {wanted.module for wanted in facts.imports} == {"./b", "./c"}
        assert [entry.name for entry in facts.outline] == ["Page"]


@pytest.mark.parametrize("source", [TYPED, PLAIN])
def test_lines_of_an_outline_exist(source):
    for entry in typescript.scan(source.encode()).outline:
        assert 1 <= entry.start_line <= entry.end_line <= source.count("\n")
        assert all(entry.start_line <= line <= entry.end_line for line in entry.signature_lines)


def test_signatures_are_bounded_and_on_one_line():
    long = "function f(" + ",\n".join(f"argument{n} = 'http://x'" for n in range(200)) + ") {\n}\n"
    long += "export const TABLE = " + "[1, " * 500 + "]" * 500
    for entry in scan(long.encode()).outline:
        assert len(entry.signature) <= 300
        assert "\n" not in entry.signature


def test_syntax_errors_leave_what_parses():
    facts = typescript.scan(
        b"import './a'\nexport function good(x) {}\nfunction bad(:\nimport './b'\nclass Fine {}\n"
    )
    assert {"./a", "./b"} >= {wanted.module for wanted in facts.imports} >= {"./a"}
    assert "good" in [entry.name for entry in facts.outline]


HOSTILE = {
    "brackets": b"x = " + b"(" * 10_000,
    "closed": b"[" * 10_000 + b"]" * 10_000,
    "braces": b"{" * 10_000,
    "templates": b"`${" * 3_000,
    "members": b"a" + b".b" * 100_000,
    "calls": b"a" + b"()" * 20_000,
    "functions": b"function f() { require('x'); " * 1_000,
    "classes": b"class A { m() { " * 1_000,
    "namespaces": b"namespace a { " * 1_000,
    "wrapped": b"(function () { " * 1_000,
    "assignments": b"a.b = " * 10_000,
    "exports": b"export " * 10_000,
    "decorators": b"@a " * 10_000,
    "jsx": b"<a>" * 3_000,
    "types": b"type A = " + b"B<" * 3_000,
    "declares": b"declare " * 30_000,
    "lines": b"\n" * 500_000 + b"import './a'",
    "comments": b"/*" * 100_000,
    "quotes": b"'\"`" * 3_000,
    "bytes": b"\xff" * 1_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sources_are_survived(name):
    for read in (scan, tsx.scan):
        start = time.perf_counter()
        read(HOSTILE[name])
        assert time.perf_counter() - start < 6


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, len(TYPED)), noise=st.binary(max_size=30))
def test_truncated_and_random_sources_never_crash(cut, noise):
    typescript.scan(TYPED.encode()[:cut] + noise)
    tsx.scan(TYPED.encode()[cut:] + noise)
    scan(PLAIN.encode()[:cut] + noise)
    scan(noise)
