"""JavaScript's and TypeScript's imports against the traps that resolvers fall into."""

from __future__ import annotations

import json
import textwrap

import pytest

from builder.repository import Repository, SourceFile
from builder.structure import Blueprint, analyze


def read(files: dict[str, object]) -> Blueprint:
    """The blueprint of some files; what is no text is written as JSON."""
    texts = {path: text if isinstance(text, str) else json.dumps(text) for path, text in files.items()}
    sources = (
        SourceFile(path, textwrap.dedent(text), "utf-8", len(text), "") for path, text in texts.items()
    )
    return analyze(Repository("local/demo", "1", "", tuple(sorted(sources, key=lambda file: file.path))))


def edges(files: dict[str, object]) -> set[tuple[str, str]]:
    return {(edge.source, edge.target) for edge in read(files).dependencies}


def targets(files: dict[str, object], source: str) -> set[str]:
    return {target for start, target in edges(files) if start == source}


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("import x from './b'", "import"),
        ("import './b'", "import"),
        ("import * as x from './b.js'", "import"),
        ("import x, {type Y} from './b'", "import"),
        ("export * from './b'", "import"),
        ("export {x} from './b'", "import"),
        ("import x = require('./b')", "import"),
        ("export import x = require('./b')", "import"),
        ("const x = require('./b')", "import"),
        ("const x = require(`./b`).y", "import"),
        ("if (y) require(/* why */ './b')", "import"),
        ("(function () { require('./b') })()", "import"),
        ("(() => { require('./b') })()", "import"),
        ("/// <reference path='b.ts' />", "import"),
        ("namespace N { import x = require('./b') }", "import"),
        ("function f() { return require('./b') }", "lazy"),
        ("const f = () => require('./b')", "lazy"),
        ("class A { m() { require('./b') } }", "lazy"),
        ("await import(/* webpackChunkName: 'b' */ './b')", "lazy"),
        ("import type X from './b'", "type-only"),
        ("import {type X, type Y} from './b'", "type-only"),
        ("export type {X} from './b'", "type-only"),
        ("export type * from './b'", "type-only"),
        ("export {type X} from './b'", "type-only"),
        ("type X = import('./b').X", "type-only"),
        ("let x: typeof import('./b')", "type-only"),
        ("const x = y as import('./b').X", "type-only"),
        ("function f(x: import('./b').X) {}", "type-only"),
    ],
)
def test_forms_of_import(statement, kind):
    found = read({"a.ts": statement, "b.ts": "", "sub/b.ts": ""}).dependencies
    assert [(edge.target, edge.kind) for edge in found] == [("b.ts", kind)]


@pytest.mark.parametrize(
    "statement",
    [
        "// import './b'",
        "const x = `import './b'`",
        "jest.mock('./b')",
        "require(b)",
        "require(`./${b}`)",
        "import('./' + b)",
        "require.resolve('./b')",
        "import './a'",
        "/* require('./b') */",
        "x.require('./b')",
    ],
)
def test_what_is_no_import(statement):
    assert edges({"a.js": statement, "b.js": ""}) == set()


def test_the_strongest_kind_counts():
    code = "import type X from './b'; import('./b'); import './c'; function f() { require('./c') }"
    found = {edge.target: edge.kind for edge in read({"a.ts": code, "b.ts": "", "c.ts": ""}).dependencies}
    assert found == {"b.ts": "lazy", "c.ts": "import"}
