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


@pytest.mark.parametrize(
    ("source", "written", "target"),
    [
        ("a.js", "./b", "b.js"),
        ("a.ts", "./b", "b.ts"),
        ("a.tsx", "./b", "b.tsx"),
        ("a.ts", "./b", "b.d.ts"),
        ("a.ts", "./b.js", "b.ts"),
        ("a.ts", "./b.js", "b.tsx"),
        ("a.ts", "./b.jsx", "b.tsx"),
        ("a.mts", "./b.mjs", "b.mts"),
        ("a.cts", "./b.cjs", "b.cts"),
        ("a.ts", "./b.ts", "b.ts"),
        ("a.ts", "./b.json", "b.json"),
        ("a.js", "./b.json", "b.json"),
        ("a.js", "./b", "b.json"),
        ("a.js", "./b.min", "b.min.js"),
        ("a.ts", "./b.service", "b.service.ts"),
        ("a.js", "./b", "b/index.js"),
        ("a.ts", "./b/", "b/index.ts"),
        ("b/a.ts", ".", "b/index.ts"),
        ("b/c/a.js", "..", "b/index.js"),
        ("b/c/a.js", "../", "b/index.js"),
        ("b/a.js", "../c/./d/../e", "c/e.js"),
        ("a.js", "./b.svg?raw", "b.svg"),
        ("a.jsx", "./b", "b.jsx"),
        ("a.js", "./b.vue", "b.vue"),
    ],
)
def test_relative_names(source, written, target):
    decoys = dict.fromkeys(["z/b.js", "z/b.ts", "z/b/index.js", "z/index.js", "bb.js", "bb.ts", "z/e.js"], "")
    assert edges(decoys | {source: f"import '{written}'", target: ""}) == {(source, target)}


def test_of_several_files_the_one_is_taken_that_the_language_takes():
    files = dict.fromkeys(["b.ts", "b.d.ts", "b.js", "b/index.js", "b/index.ts", "b.json"], "")
    assert targets(files | {"a.ts": "import './b'"}, "a.ts") == {"b.ts"}
    assert targets(files | {"a.js": "import './b'"}, "a.js") == {"b.js"}
    assert targets(files | {"a.ts": "import './b.js'"}, "a.ts") == {"b.ts"}
    assert targets(files | {"a.js": "import './b.js'"}, "a.js") == {"b.js"}
    assert targets(files | {"a.ts": "import './b/'"}, "a.ts") == {"b/index.ts"}


@pytest.mark.parametrize(
    ("manifest", "target"),
    [
        ({"main": "./lib/main.js"}, "b/lib/main.js"),
        ({"main": "lib/main"}, "b/lib/main.js"),
        ({"main": "lib"}, "b/lib/index.js"),
        ({"main": "gone.js"}, "b/index.js"),
        ({"main": "../../../gone.js"}, "b/index.js"),
        ({"module": "lib/module.mjs"}, "b/lib/module.mjs"),
        ({"main": 3}, "b/index.js"),
        ("{broken", "b/index.js"),
    ],
)
def test_package_json_of_a_folder_names_its_entry(manifest, target):
    files = dict.fromkeys(["b/lib/main.js", "b/lib/index.js", "b/lib/module.mjs", "b/index.js"], "")
    assert targets(files | {"a.js": "import './b'", "b/package.json": manifest}, "a.js") == {target}


@pytest.mark.parametrize(
    "decoy",
    [
        "react.js", "react/index.js", "src/react.ts", "src/react/index.ts", "vendored/react/index.js",
        "packages/react/index.js", "src/ui/react.tsx", "lib/react.d.ts", "other/node/react.js",
    ],
)  # fmt: skip
def test_outside_name_never_lands_on_a_decoy(decoy):
    code = "import 'react'; require('react'); import('react/jsx-runtime'); import type X from 'react'"
    blueprint = read({"package.json": {"name": "demo"}, "src/a.ts": code, "src/ui/b.js": code, decoy: ""})
    assert blueprint.dependencies == ()
    assert blueprint.external == ("react",)
    assert blueprint.unresolved == ()


def test_what_is_outside_and_what_is_missing():
    code = "import 'node:fs'; import 'path'; import '@a/b/c'; import 'x/y'; import 'https://e.org/z.js';"
    missing = "import './gone'; require('../../out'); import '#gone'"
    files = {"a.js": code + missing, "fs.js": "", "path.js": "", "gone/b.js": ""}
    blueprint = read(files)
    assert blueprint.dependencies == ()
    assert {"fs", "path", "@a/b", "x"} <= set(blueprint.external)
    assert [name for _, name in blueprint.unresolved] == ["#gone", "../../out", "./gone"]


def test_relative_name_never_lands_on_the_same_name_elsewhere():
    files = {"src/a.ts": "import './b'; import '../c'; import './d/e'"}
    files |= dict.fromkeys(["b.ts", "src/c.ts", "lib/src/b.ts", "src/e.ts", "d/e.ts", "src/bb.ts"], "")
    assert edges(files) == set()


PATHS = {
    "compilerOptions": {"baseUrl": ".", "paths": {"@/*": ["src/*"], "@/x/*": ["x/*", "y/*"], "~": ["src/z"]}}
}


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("@/b", "src/b.ts"),
        ("@/x/c", "y/c.ts"),  # the longer prefix, and its second place
        ("~", "src/z/index.ts"),
        ("src/b", "src/b.ts"),  # below baseUrl
        ("@/gone", None),
        ("~/b", None),
        ("b", None),
    ],
)
def test_paths_of_the_nearest_tsconfig(written, target):
    files = {"tsconfig.json": PATHS, "src/deep/a.ts": f"import '{written}'"}
    files |= dict.fromkeys(["src/b.ts", "src/x/c.ts", "y/c.ts", "src/z/index.ts", "other/b.ts"], "")
    assert targets(files, "src/deep/a.ts") == ({target} if target else set())


def test_alias_that_leads_nowhere_is_unresolved_and_not_outside():
    blueprint = read({"tsconfig.json": PATHS, "a.ts": "import '@/gone'; import 'react'"})
    assert blueprint.unresolved == (("a.ts", "@/gone"),)
    assert blueprint.external == ("react",)


def test_tsconfig_with_comments_and_what_it_extends():
    files = {
        "base/tsconfig.base.json": """\
            // the paths are relative to this file, "quoted // text" stays
            {"compilerOptions": {"paths": {"lib/*": ["../lib/*",], /* here */ },},}
        """,
        "app/tsconfig.json": {"extends": "../base/tsconfig.base"},
        "app/a.ts": "import 'lib/b'",
        "lib/b.ts": "",
        "base/lib/b.ts": "",
        "app/lib/b.ts": "",
        "other/a.ts": "import 'lib/b'",
    }
    assert edges(files) == {("app/a.ts", "lib/b.ts")}


def test_tsconfig_may_extend_a_package_of_the_workspace():
    files = {
        "package.json": {"workspaces": ["packages/*", "apps/*"]},
        "packages/config/package.json": {"name": "@x/config"},
        "packages/config/base.json": {"compilerOptions": {"paths": {"#/*": ["${configDir}/src/*"]}}},
        "apps/web/package.json": {"name": "web"},
        "apps/web/tsconfig.json": {"extends": ["@x/config/base.json"]},
        "apps/web/src/a.ts": "import '#/b'",
        "apps/web/src/b.ts": "",
        "packages/config/src/b.ts": "",
    }
    assert edges(files) == {("apps/web/src/a.ts", "apps/web/src/b.ts")}


def test_configuration_that_only_refers_to_others_hands_over_to_the_one_that_includes_the_file():
    others = [{"path": "./tsconfig.node.json"}, {"path": "./tsconfig.app.json"}]
    files = {
        "tsconfig.json": {"files": [], "references": others},
        "tsconfig.app.json": {"compilerOptions": {"paths": {"@/*": ["./src/*"]}}, "include": ["src"]},
        "tsconfig.node.json": {"compilerOptions": {"paths": {"@/*": ["./*"]}}, "include": ["vite.config.ts"]},
        "src/a.ts": "import '@/b'",
        "src/b.ts": "",
        "b.ts": "",
    }  # fmt: skip
    assert edges(files) == {("src/a.ts", "src/b.ts")}


def test_root_dirs_are_one_folder():
    files = {
        "tsconfig.json": {"compilerOptions": {"rootDirs": ["src/views", "generated/views"]}},
        "src/views/a.ts": "import './b'",
        "generated/views/b.ts": "",
        "other/views/b.ts": "",
    }
    assert edges(files) == {("src/views/a.ts", "generated/views/b.ts")}


def test_base_url_is_typescripts_alone():
    config = {"compilerOptions": {"baseUrl": "src"}}
    files = {"src/b.ts": "", "a.js": "import 'b'", "c.ts": "import 'b'; import 'fs'", "src/fs.ts": ""}
    assert edges(files | {"tsconfig.json": config}) == {("c.ts", "src/b.ts")}
    assert ("a.js", "src/b.ts") in edges(files | {"jsconfig.json": config})


def test_circles_of_extends_end():
    files = {"tsconfig.json": {"extends": "./b.json"}, "b.json": {"extends": ["./tsconfig.json", "./b.json"]}}
    assert edges(files | {"a.ts": "import './c'", "c.ts": ""}) == {("a.ts", "c.ts")}
