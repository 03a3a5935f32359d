"""Packages and workspaces of JavaScript: what a name means, and what it must not land on."""

from __future__ import annotations

import json

import pytest

from builder.repository import Repository, SourceFile
from builder.structure import Blueprint, analyze


def read(files: dict[str, object]) -> Blueprint:
    """The blueprint of some files; what is no text is written as JSON."""
    texts = {path: text if isinstance(text, str) else json.dumps(text) for path, text in files.items()}
    sources = (SourceFile(path, text, "utf-8", len(text), "") for path, text in texts.items())
    return analyze(Repository("local/demo", "1", "", tuple(sorted(sources, key=lambda file: file.path))))


def targets(files: dict[str, object], source: str) -> set[str]:
    return {edge.target for edge in read(files).dependencies if edge.source == source}


def workspace(manifest: dict[str, object], *paths: str, **importer: object) -> dict[str, object]:
    """A workspace of `app`, which may import `@x/lib`, and `lib` with this manifest and these files."""
    return {
        "package.json": {"private": True, "workspaces": ["packages/*"]},
        "packages/app/package.json": {"name": "app"} | importer,
        "packages/lib/package.json": {"name": "@x/lib", "version": "1.2.3"} | manifest,
    } | {f"packages/lib/{path}": "" for path in paths}


EXPORTS = {
    ".": {"types": "./types.d.ts", "import": "./main.mjs", "require": "./main.cjs"},
    "./sub": "./src/sub.js",
    "./features/*": "./src/features/*.js",
    "./features/private/*": None,
    "./features/*/deep": "./src/deep/*.js",
    "./array": [{"unknown": "./main.mjs"}, "./src/sub.js"],
    "./nested": {"node": {"import": "./main.mjs"}, "default": "./main.cjs"},
    "./up": "../../secret.js",
}
EXPORTED = (
    "types.d.ts", "main.mjs", "main.cjs", "src/sub.js", "src/features/a.js", "src/features/b/c.js",
    "src/features/private/p.js", "src/deep/a.js", "index.js", "sub.js", "hidden.js",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "statement", "target"),
    [
        ("a.mjs", "import '@x/lib'", "main.mjs"),
        ("a.cjs", "require('@x/lib')", "main.cjs"),
        ("a.ts", "import '@x/lib'", "types.d.ts"),
        ("a.js", "import '@x/lib/sub'", "src/sub.js"),
        ("a.js", "import '@x/lib/features/a'", "src/features/a.js"),
        ("a.js", "import '@x/lib/features/b/c'", "src/features/b/c.js"),
        ("a.js", "import '@x/lib/features/private/p'", None),
        ("a.js", "import '@x/lib/features/a/deep'", "src/deep/a.js"),
        ("a.js", "import '@x/lib/array'", "src/sub.js"),
        ("a.js", "import '@x/lib/nested'", "main.mjs"),
        ("a.js", "import '@x/lib/hidden'", None),  # there, but not exported
        ("a.js", "import '@x/lib/hidden.js'", None),
        ("a.js", "import '@x/lib/up'", None),
    ],
)
def test_exports_of_a_package(name, statement, target):
    files = workspace({"exports": EXPORTS}, *EXPORTED) | {f"packages/app/{name}": statement, "secret.js": ""}
    expected = {f"packages/lib/{target}"} if target else set()
    assert targets(files, f"packages/app/{name}") == expected


@pytest.mark.parametrize(
    ("manifest", "paths", "written", "target"),
    [
        ({"main": "src/main"}, ["src/main.ts", "index.ts"], "@x/lib", "src/main.ts"),
        ({}, ["index.js"], "@x/lib", "index.js"),
        ({}, ["src/a.ts"], "@x/lib/src/a", "src/a.ts"),
        ({}, ["src/index.ts"], "@x/lib/src", "src/index.ts"),
        ({"main": "dist/index.js", "types": "src/index.ts"}, ["src/index.ts"], "@x/lib", "src/index.ts"),
        ({"exports": "./src/index.js"}, ["src/index.ts"], "@x/lib", "src/index.ts"),
        ({"exports": {"source": "./src/index.ts", "default": "./dist/index.js"}}, ["src/index.ts"], "@x/lib",
         "src/index.ts"),
        ({"main": "dist/index.js", "source": "src/index.ts"}, ["src/index.ts"], "@x/lib", "src/index.ts"),
        # Built, and nothing says from what.
        ({"main": "dist/index.js"}, ["src/index.ts"], "@x/lib", None),
        ({"exports": {"browser": "./web.js", "default": "./dist/index.js"}}, ["web.js"], "@x/lib", None),
    ],
)  # fmt: skip
def test_entry_of_a_workspace_package(manifest, paths, written, target):
    files = workspace(manifest, *paths) | {"packages/app/a.ts": f"import '{written}'"}
    blueprint = read(files)
    if target:
        assert [edge.target for edge in blueprint.dependencies] == [f"packages/lib/{target}"]
    else:
        assert (blueprint.dependencies, blueprint.unresolved) == ((), (("packages/app/a.ts", written),))


@pytest.mark.parametrize(
    "settings",
    [
        {"compilerOptions": {"outDir": "dist", "rootDir": "src"}},
        {"compilerOptions": {"outDir": "./dist"}, "include": ["src/**/*.ts"]},
        {"compilerOptions": {"declarationDir": "dist", "rootDir": "./src"}},
        {"extends": "../../tsconfig.base.json", "compilerOptions": {"outDir": "dist"}, "include": ["./src"]},
    ],
)
def test_entry_that_is_built_is_the_source_that_its_tsconfig_builds(settings):
    manifest = {
        "exports": {".": {"types": "./dist/index.d.ts", "import": "./dist/index.js"}, "./*": "./dist/*.js"}
    }
    files = workspace(manifest, "src/index.ts", "src/sub.tsx", "index.ts", "sub.ts")
    files |= {
        "packages/lib/tsconfig.json": settings,
        "packages/app/a.ts": "import '@x/lib'; import '@x/lib/sub'",
    }
    assert targets(files, "packages/app/a.ts") == {"packages/lib/src/index.ts", "packages/lib/src/sub.tsx"}


@pytest.mark.parametrize(
    ("root", "is_seen"),
    [
        ({"package.json": {"workspaces": ["packages/*"]}}, True),
        ({"package.json": {"workspaces": {"packages": ["./packages/**"]}}}, True),
        ({"package.json": {"workspaces": ["packages/lib", "packages/app"]}}, True),
        ({"package.json": {}, "lerna.json": {"packages": ["packages/*"]}}, True),
        ({"package.json": {"workspaces": ["packages/*", "!packages/lib"]}}, False),
        ({"package.json": {"workspaces": ["other/*"]}}, False),
        ({"package.json": {}}, False),
        ({}, False),
        # pnpm links what a package lists.
        ({"package.json": {}, "pnpm-workspace.yaml": "packages:\n  - 'packages/*'\n"}, False),
        ({"package.json": {"devDependencies": {"@x/lib": "workspace:*"}},
          "pnpm-workspace.yaml": "packages: ['packages/*']"}, True),
        ({"pnpm-workspace.yaml": "packages: ["}, False),
    ],
)  # fmt: skip
def test_packages_see_each_other_in_a_workspace_only(root, is_seen):
    files = workspace({}, "index.js") | {"packages/app/a.js": "import '@x/lib'"}
    del files["package.json"]
    assert targets(files | root, "packages/app/a.js") == ({"packages/lib/index.js"} if is_seen else set())


@pytest.mark.parametrize(
    ("wanted", "is_own"),
    [
        ("*", True), ("^1.0.0", True), ("workspace:^", True), ("~1.2.0", True), ("1.x", True),
        (">=0.9", True), ("file:../lib", True), ("^2.0.0", False), ("0.9.1", False), ("npm:@y/lib@1", False),
        ("git+ssh://h/x", False),
    ],
)  # fmt: skip
def test_another_version_than_the_workspaces_is_outside(wanted, is_own):
    files = workspace({}, "index.js", dependencies={"@x/lib": wanted})
    blueprint = read(files | {"packages/app/a.js": "import '@x/lib'"})
    assert [edge.target for edge in blueprint.dependencies] == ["packages/lib/index.js"] * is_own
    assert blueprint.external == ("@x/lib",) * (not is_own)


def test_folder_beside_a_workspace_installs_its_own():
    files = workspace({}, "index.js")
    files |= {
        "examples/e/package.json": {"dependencies": {"@x/lib": "^1.0.0"}},
        "examples/e/a.js": "import '@x/lib'",
    }
    assert targets(files, "examples/e/a.js") == set()


def test_package_knows_itself_by_name_if_it_says_what_it_exports():
    files = {
        "src/index.ts": "",
        "test/a.ts": "import 'demo'; import 'demo/sub'",
        "demo.ts": "",
        "src/sub.ts": "",
    }
    exports = {".": "./src/index.js", "./sub": "./src/sub.ts"}
    assert targets(files | {"package.json": {"name": "demo"}}, "test/a.ts") == set()
    found = targets(files | {"package.json": {"name": "demo", "exports": exports}}, "test/a.ts")
    assert found == {"src/index.ts", "src/sub.ts"}


def test_imports_of_the_package_around():
    table = {
        "#a": "./src/a.js",
        "#lib/*": "./src/lib/*.js",
        "#fs": {"node": "fs"},
        "#out": "react",
        "#u": "../x.js",
    }
    files = {
        "package.json": {"imports": {"#a": "./decoy.js"}},
        "pkg/package.json": {"imports": table},
        "pkg/src/b.ts": "import '#a'; import '#lib/c'; import '#fs'; import '#out'; import '#u'; import '#n'",
        "pkg/src/a.ts": "",
        "pkg/src/lib/c.js": "",
        "decoy.js": "",
        "x.js": "",
    }
    blueprint = read(files)
    assert [edge.target for edge in blueprint.dependencies] == ["pkg/src/a.ts", "pkg/src/lib/c.js"]
    assert [name for _, name in blueprint.unresolved] == ["#n", "#u"]


@pytest.mark.parametrize(
    "settings",
    [
        {"workspaces": ["**/" * 200 + "x", "*" * 5000, "{a,b}{", "[", "!"]},
        {"workspaces": 1, "exports": [[["./a.js"]]], "imports": [], "name": {}, "dependencies": {"x": 1}},
        {"exports": {".": {"import": {"import": {"import": None}}}}, "name": "x"},
        '{"name": "x", "exports": ' + "[" * 900 + "]" * 900 + "}",
        '{"name": "x", "exports": ' + '{"default": ' * 900 + "1" + "}" * 901,
        "[" * 100_000,
        '{"a": ' * 50_000,
        '"\\"' * 100_000,
        "/*" * 100_000,
        ", " * 100_000,
    ],
)
def test_hostile_settings_are_survived(settings):
    code = "import 'x'; import 'x/y'; import '#z'; import './b'"
    names = ("package.json", "tsconfig.json", "lerna.json", "pnpm-workspace.yaml")
    files = dict.fromkeys(names, settings) | {"a.ts": code, "b.ts": ""}
    files |= {"x/package.json": settings, "x/a.ts": code, "x/b.ts": ""}
    deep = {"/".join(["d"] * 500) + "/package.json": {"name": "x"}}
    assert targets(files | deep, "a.ts") == {"b.ts"}
