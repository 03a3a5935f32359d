"""PHP names and includes against the traps that resolvers fall into, and what one file says by itself."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.structure import Blueprint
from builder.structure.detection import detect
from builder.structure.php import scan

from .conftest import assert_outlined, edges


def kinds(blueprint: Blueprint) -> dict[str, str]:
    return {edge.target: edge.kind for edge in blueprint.dependencies if edge.source == "src/Main.php"}


def composer(**metadata: object) -> str:
    return json.dumps(metadata)


def declaring(name: str, kind: str = "class") -> str:
    namespace, _, short = name.rpartition("\\")
    return f"<?php\nnamespace {namespace};\n{kind} {short} {{}}\n"


PACKAGE = {
    "composer.json": composer(
        name="a/app", autoload={"psr-4": {"App\\": "src/"}, "files": ["src/functions.php"]}
    ),
    "src/Model/User.php": declaring("App\\Model\\User"),
    "src/Model/Role.php": declaring("App\\Model\\Role", "enum"),
    "src/Near.php": declaring("App\\Near", "trait"),
    "src/functions.php": """<?php
namespace App\\Tools { const LIMIT = 3; function slug() {} }
namespace App { function near() {} }
namespace { function everywhere() {} define('ANYWHERE', 1); function strlen() {} }
""",
}
USER, ROLE, NEAR, FUNCTIONS = "src/Model/User.php", "src/Model/Role.php", "src/Near.php", "src/functions.php"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("use App\\Model\\User; new User;", {USER: "import"}),
        ("use App\\Model\\User as U, App\\Model\\Role; new u(Role::A);", {USER: "import", ROLE: "import"}),
        ("use App\\Model\\{User, Role as R}; User::f(R::class);", {USER: "import", ROLE: "import"}),
        ("use \\App\\Model; $x instanceof Model\\User;", {USER: "import"}),
        ("new \\App\\Model\\User;", {USER: "import"}),
        ("new Model\\User;", {USER: "import"}),
        ("new namespace\\Model\\User;", {USER: "same-package"}),
        ("class Main { use Near; }", {NEAR: "same-package"}),
        ("class Main extends Model\\User implements Model\\Role {}", {USER: "import", ROLE: "import"}),
        ("interface Main extends Model\\User, Model\\Role {}", {USER: "import", ROLE: "import"}),
        ("$x = new class extends Model\\User { use Near; };", {USER: "import", NEAR: "same-package"}),
        ("#[Model\\User(1)] class Main {}", {USER: "import"}),
        ("try {} catch (Model\\User | Near $e) {}", {USER: "import", NEAR: "same-package"}),
        ("echo Model\\User::$x, Near::Y;", {USER: "import", NEAR: "same-package"}),
        ("match (true) { default => Model\\User::f() };", {USER: "import"}),
        ("$s = \"{$x->f(Near::class)}\";", {NEAR: "same-package"}),
        ("function f(?Model\\User $a, Near&X $b): Model\\Role|int {}",
         {USER: "type-only", ROLE: "type-only", NEAR: "type-only"}),
        ("class Main { private ?Near $a; function __construct(private Model\\User $b) {} }",
         {USER: "type-only", NEAR: "type-only"}),
        ("fn (Near $x): Model\\User => new Near;", {USER: "type-only", NEAR: "same-package"}),
        ("use App\\Model\\User; /** @var User */", {USER: "type-only"}),
        ("use function App\\Tools\\slug; use const App\\Tools\\LIMIT; slug(LIMIT);", {FUNCTIONS: "import"}),
        ("use function App\\Tools\\{slug as s}; S();", {FUNCTIONS: "import"}),
        ("use App\\Tools\\{Gone, function slug}; slug();", {FUNCTIONS: "import"}),
        ("Tools\\slug();", {FUNCTIONS: "import"}),
        ("near();", {FUNCTIONS: "same-package"}),
        ("everywhere();", {FUNCTIONS: "import"}),
        ("$x = [ANYWHERE];", {FUNCTIONS: "import"}),
        ("if ($x === \\ANYWHERE) {}", {FUNCTIONS: "import"}),
        # Names of something else.
        ("strlen('x'); \\strlen('y');", {}),
        ("new User;", {}),
        ("use Other\\Model\\User; new User; new \\Model\\User;", {}),
        ("use App\\Model\\User as U; new User;", {USER: "type-only"}),
        ("slug(User()); $x->near(); $x->ANYWHERE; f(near: 1); X::near(); X::ANYWHERE;", {}),
        ("$near = '\\App\\Near'; // new Near;\n# new Near;\n/* new Near; */", {}),
        ("$s = <<<'E'\n  new Near; {$x}\n  E;", {}),
        ("new self; new static; parent::f(); function f(self $x, int $y): static {}", {}),
        ("?> new Near; <?php", {}),
    ],
)  # fmt: skip
def test_names_follow_the_rules_of_namespaces(read, code, expected):
    assert kinds(read(PACKAGE | {"src/Main.php": f"<?php\nnamespace App;\n{code}\n"})) == expected


def test_each_namespace_of_a_file_has_its_own_names(read):
    code = """<?php
namespace One { use App\\Model\\User as Near; new Near; class Main {} }
namespace App { new Near; }
namespace { use App\\Model\\Role; new Role; new Near; }
"""
    assert kinds(read(PACKAGE | {"src/Main.php": code})) == {
        USER: "import",
        NEAR: "same-package",
        ROLE: "import",
    }
    one_after_the_other = "<?php namespace One; new Near; namespace App; new Near;"
    assert kinds(read(PACKAGE | {"src/Main.php": one_after_the_other})) == {NEAR: "same-package"}


@pytest.mark.parametrize(
    ("autoload", "path", "name"),
    [
        ({"psr-4": {"A\\": ["gone/", "./code"]}}, "code/B/C.php", "A\\B\\C"),
        ({"psr-4": {"A\\": "code", "A\\B\\": "deep"}}, "deep/C.php", "A\\B\\C"),
        ({"psr-4": {"A\\": "code", "A\\B\\": "deep"}}, "code/B/C.php", "A\\B\\C"),
        ({"psr-4": {"": "code"}}, "code/A/B.php", "A\\B"),
        ({"psr-4": {"A\\": ""}}, "B/C.php", "A\\B\\C"),
        ({"psr-0": {"A": "code"}}, "code/A/B_B/C/D.php", "A\\B_B\\C_D"),
        ({"psr-0": {"": "code"}}, "code/A/B.php", "A\\B"),
        ({"classmap": ["code"]}, "code/some/file.php", "A\\B"),
        ({"classmap": ["code/one.inc"]}, "code/one.inc", "A\\B"),
        ({"files": ["boot.php"]}, "boot.php", "A\\B"),
    ],
)
def test_composer_finds_a_class(read, autoload, path, name):
    files = {
        "composer.json": composer(autoload=autoload),
        path: declaring(name),
        "main.php": f"<?php new {name};",
    }
    assert edges(read(files)) == {("main.php", path)}


@pytest.mark.parametrize(
    ("autoload", "path", "content"),
    [
        ({"psr-4": {"A\\": "code"}}, "code/B.php", declaring("A\\Other")),  # declares another class
        ({"psr-4": {"A\\": "code"}}, "code/b.php", declaring("A\\B")),  # upper and lower case count on disk
        ({"psr-4": {"A\\": "code"}}, "other/B.php", declaring("A\\B")),
        ({"psr-4": {"A\\": "code"}}, "more/code/B.php", declaring("A\\B")),
        ({"psr-4": {"A\\": "../code"}}, "code/B.php", declaring("A\\B")),
        ({"psr-4": {"A\\": "/code"}}, "code/B.php", declaring("A\\B")),
        ({"psr-4": {"A\\": "code"}}, "code/A/B.php", declaring("A\\B")),
        ({"psr-4": {"A\\": "code"}}, "vendor/a/code/B.php", declaring("A\\B")),
        ({"psr-4": {"X\\": "code"}}, "code/B.php", declaring("A\\B")),
        ({"classmap": ["code"]}, "codes/B.php", declaring("A\\B")),
        ({"classmap": ["code"], "exclude-from-classmap": ["**/old/"]}, "code/x/old/B.php", declaring("A\\B")),
    ],
)
def test_class_elsewhere_is_not_found(read, autoload, path, content):
    files = {"composer.json": composer(autoload=autoload), path: content, "main.php": "<?php new \\A\\B;"}
    blueprint = read(files)
    assert edges(blueprint) == set()
    assert (blueprint.external, blueprint.unresolved) in [(("A",), ()), ((), (("main.php", "A\\B"),))]


def test_what_should_be_here_is_unresolved_and_the_rest_external(read):
    code = (
        "<?php use Psr\\Log\\X\\Y; new Y; new App\\Gone; new \\Exception; new Monolog\\Logger; Guzzle\\get();"
    )
    metadata = composer(autoload={"psr-4": {"App\\": "src"}}, require={"app/other": "*"})
    blueprint = read({"composer.json": metadata, "main.php": code + "new App\\Other\\X;", "src/A.php": ""})
    assert blueprint.unresolved == (("main.php", "App\\Gone"),)
    # `app/other` may well be where `App\Other` comes from: there is no such folder here.
    assert blueprint.external == ("App\\Other", "Exception", "Guzzle", "Monolog", "Psr\\Log")


@pytest.mark.parametrize(
    "decoy",
    ["Psr/Log/Logger.php", "src/Psr/Log/Logger.php", "vendor/psr/log/src/Logger.php", "src/Logger.php",
     "src/Log/Logger.php", "tests/stubs/Psr/Log/Logger.php"],
)  # fmt: skip
@pytest.mark.parametrize(
    "content", [declaring("Psr\\Log\\Logger"), declaring("App\\Log\\Logger"), "<?php class Logger {}"]
)
def test_outside_class_never_lands_on_a_decoy(read, decoy, content):
    code = "<?php\nnamespace App;\nuse Psr\\Log\\Logger;\nnew Logger;\n"
    blueprint = read(PACKAGE | {"src/Main.php": code, decoy: content})
    assert edges(blueprint) == set()
    assert blueprint.external == ("Psr\\Log",)


@pytest.mark.parametrize("name", ["Exception", "DateTime", "arrayaccess", "Stringable", "CURLFile"])
def test_classes_and_functions_of_php_never_land_inside(read, name):
    polyfill = f"<?php if (!class_exists('{name}')) {{ class {name} {{}} }} function mb_strlen() {{}}"
    code = f"<?php new {name}; mb_strlen(E_ALL);"
    assert edges(read({"polyfill.php": polyfill, "main.php": f"{code} include 'other.php';"})) == set()
    code = f"<?php namespace App; require __DIR__ . '/polyfill.php'; new \\{name}; mb_strlen();"
    assert edges(read({"polyfill.php": polyfill, "main.php": code})) == {("main.php", "polyfill.php")}


MONOREPO = {
    "packages/log/composer.json": composer(name="a/log", autoload={"psr-4": {"A\\Log\\": "src"}}),
    "packages/log/src/Log.php": declaring("A\\Log\\Log"),
    "packages/log/src/main.php": "<?php new \\A\\Web\\Web;",
    "packages/web/src/Web.php": declaring("A\\Web\\Web"),
    "packages/web/src/main.php": "<?php new \\A\\Log\\Log;",
}


@pytest.mark.parametrize(
    ("metadata", "root", "sees_log"),
    [
        ({}, None, False),
        ({"require": {"a/log": "*"}}, None, True),
        ({"require-dev": {"a/log": "*"}}, None, True),
        ({}, {"replace": {"a/web": "*", "a/log": "*"}, "autoload": {"psr-4": {"A\\": "x"}}}, True),
        ({}, {"autoload": {"psr-4": {"A\\": "packages", "A\\Log\\": "packages/log/src"}}}, True),
        ({}, {"autoload": {"psr-4": {"A\\Log\\": "packages/log/src"}}}, False),
    ],
)  # fmt: skip
def test_packages_see_what_they_require_or_what_replaces_them(read, metadata, root, sees_log):
    web = composer(name="a/web", autoload={"psr-4": {"A\\Web\\": "src"}}, **metadata)
    files = MONOREPO | {"packages/web/composer.json": web}
    if root is not None:
        files["composer.json"] = json.dumps(root)
    found = edges(read(files))
    assert (("packages/web/src/main.php", "packages/log/src/Log.php") in found) == sees_log


def test_rules_for_development_count_in_a_package_but_not_for_what_is_installed(read):
    code = "<?php new \\A\\Log\\Tests\\Helper;"
    files = MONOREPO | {
        "packages/log/composer.json": composer(
            name="a/log",
            autoload={"psr-4": {"A\\Log\\": "src"}},
            **{"autoload-dev": {"psr-4": {"A\\Log\\Tests\\": "tests"}}},
        ),
        "packages/web/composer.json": composer(
            require={"a/log": "*"}, autoload={"psr-4": {"A\\Web\\": "src"}}
        ),
        "packages/log/tests/Helper.php": declaring("A\\Log\\Tests\\Helper"),
        "packages/log/tests/main.php": code,
        "packages/log/run.php": code,
        "packages/log/src/main.php": code,
        "packages/web/src/main.php": code,
    }
    seen = ("packages/log/tests/main.php", "packages/log/run.php")
    assert edges(read(files)) == {(path, "packages/log/tests/Helper.php") for path in seen}


def test_without_composer_a_class_is_where_alone_it_is_declared(read):
    files = {
        "main.php": "<?php new Only; new Twice; new A\\Only; only();",
        "inc/only.php": "<?php class Only {} function only() {}",
        "inc/twice.php": "<?php class Twice {}",
        "old/twice.php": "<?php class twice {}",
        "other/only.php": "<?php namespace B; class Only {} function only() {}",
    }
    blueprint = read(files)
    assert edges(blueprint, "same-package") == edges(blueprint) == {("main.php", "inc/only.php")}
    assert blueprint.unresolved == (("main.php", "Twice"),)
    # What one script loads together counts, whatever else is called like it.
    files["start.php"] = "<?php require __DIR__ . '/main.php'; require __DIR__ . '/inc/twice.php';"
    assert ("main.php", "inc/twice.php") in edges(read(files))
    # Where composer is used, only a chain of includes makes files see each other.
    files["composer.json"] = composer(autoload={"psr-4": {"App\\": "src"}})
    assert edges(read(files), "same-package") == {("main.php", "inc/twice.php")}


@pytest.mark.parametrize(
    ("expression", "target"),
    [
        ("__DIR__ . '/b.php'", "lib/b.php"),
        ("(__DIR__ . '/../lib' . '/b.php')", "lib/b.php"),
        ("__DIR__ . DIRECTORY_SEPARATOR . \"b.php\"", "lib/b.php"),
        ("dirname(__FILE__) . '/b.php'", "lib/b.php"),
        ("\\dirname(__DIR__) . '/top.php'", "top.php"),
        ("dirname(dirname(__FILE__)) . '/top.php'", "top.php"),
        ("dirname(__FILE__, 2) . '/top.php'", "top.php"),
        ("realpath(__DIR__ . '/b.php')", "lib/b.php"),
        ("'b.php'", "lib/b.php"),
        ("ROOT . 'top.php'", "top.php"),
        ("ROOT . LIB . '/b.php'", "lib/b.php"),
        ("LIB_DIR . '/b.php'", "lib/b.php"),
        # Those that only a run would tell, or that lie elsewhere.
        ("'top.php'", None),
        ("'lib/b.php'", None),
        ("'both.php'", None),
        ("'/lib/b.php'", None),
        ("'/b.php'", None),
        ("__DIR__ . 'b.php'", None),
        ("__DIR__ . '/../../b.php'", None),
        ("__DIR__ . '/B.php'", None),
        ("__DIR__ . \"/$b.php\"", None),
        ("__DIR__ . '/' . $b", None),
        ("dirname($x) . '/b.php'", None),
        ("TWO . 'b.php'", None),
        ("CIRCLE . 'b.php'", None),
        ("UNKNOWN . '/b.php'", None),
        ("$b", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("keyword", ["require", "include_once"])
def test_included_paths(read, expression, target, keyword):
    constants = """<?php
define('ROOT', __DIR__ . '/'); const LIB = 'lib'; define("LIB_DIR", ROOT . LIB);
define('TWO', __DIR__ . '/lib/');
define('CIRCLE', CIRCLE2 . '/x'); define('CIRCLE2', CIRCLE . '/x');
"""
    files = dict.fromkeys(["lib/b.php", "top.php", "both.php", "lib/both.php", "other/b.php"], "<?php\n")
    files |= {"constants.php": constants, "other/constants.php": "<?php define('TWO', __DIR__ . '/');"}
    blueprint = read(files | {"lib/a.php": f"<?php\n{keyword} {expression};\n"})
    assert edges(blueprint, "include") == ({("lib/a.php", target)} if target else set())
    assert (("lib/a.php", expression) in blueprint.unresolved) == (target is None)


@pytest.mark.parametrize(
    ("including", "expression", "is_sure"),
    [
        ("lib/a.php", "'b.php'", True),
        ("lib/a.php", "'./b.php'", True),
        ("lib/a.php", "'../top.php'", True),
        ("lib/part.php", "'b.php'", True),
        ("lib/part.php", "'c.php'", False),  # from app/main.php it would be app/c.php
        ("lib/part.php", "'./b.php'", False),  # from app/main.php it would be app/b.php, which is not there
        ("lib/part.php", "__DIR__ . '/c.php'", True),
    ],
)
def test_relative_path_counts_whatever_script_was_started(read, including, expression, is_sure):
    files = dict.fromkeys(["top.php", "lib/b.php", "lib/c.php", "app/c.php"], "<?php\n")
    files["app/main.php"] = "<?php require __DIR__ . '/../lib/part.php';"
    blueprint = read(files | {including: f"<?php require {expression};"})
    assert (including in {edge.source for edge in blueprint.dependencies}) == is_sure
    assert ((including, expression) in blueprint.unresolved) != is_sure


def test_include_in_a_function_waits_for_a_call(read):
    code = """<?php
if ($x) { require __DIR__ . '/top.php'; }
function f() { return include __DIR__ . '/lazy.php'; }
class C { function m() { $f = fn () => require __DIR__ . '/deep.php'; } }
require __DIR__ . '/vendor/autoload.php';
"""
    files = dict.fromkeys(["top.php", "lazy.php", "deep.php"], "<?php\n")
    blueprint = read(files | {"main.php": code})
    assert edges(blueprint, "include") == {("main.php", "top.php")}
    assert edges(blueprint, "lazy") == {("main.php", "lazy.php"), ("main.php", "deep.php")}
    assert blueprint.external == ("vendor/autoload.php",)


@pytest.mark.parametrize(
    ("path", "content", "language"),
    [
        ("a.php", "", "PHP"),
        ("view.phtml", "<b></b>", "HTML+PHP"),
        ("artisan", "#!/usr/bin/env php\n<?php\n", "PHP"),
        ("inc/text.inc", "<?php\n", "PHP"),
        ("node.module", "\n<?php\n", "PHP"),
        ("table.inc", "{ 1, 2 },\n", ""),
        ("readme", "<?phpx", ""),
        ("a.stub", "<?php", ""),
        ("composer.lock", "{}", "JSON"),
    ],
)
def test_files_in_php_are_known_by_name_or_opening(path, content, language):
    assert detect(path, content) == language


OUTLINED = """\
<?php
/*
 * Licence
 */
declare(strict_types=1);

namespace App;

use A\\B;
use function A\\{
    f,
};

require_once __DIR__ . '/x.php';

/**
 * What it is.
 *
 * @see B
 */
#[Attr(1)]
abstract class Foo extends B implements \\Countable
{
    /** @var int */
    const A = 'http://x', B = 2;

    /** Where. */
    private static ?string $place = null, $other;

    protected array $long = [
        1,
    ];

    // No docblock.
    public function __construct(
        private readonly int $x, // why
        ?B $y = null,
    ) {
        f();
    }

    #[One, Two]
    #[Three]
    abstract protected function m(): static;

    public function line() { return 1; }
}

enum Suit: string { case Hearts = 'H'; }

if (!function_exists('g')) {
    /**
     * Does it.
     */
    function g(int ...$x): void
    {
    }
}
interface I { function n(); }
trait T {}
const LIMIT = 3;
"""


def test_outline_and_header():
    facts = scan(OUTLINED.encode())
    assert [(entry.kind, entry.name, entry.depth, entry.signature) for entry in facts.outline] == [
        ("class", "Foo", 0, "abstract class Foo extends B implements \\Countable"),
        ("constant", "A", 1, "const A = 'http://x', B = 2"),
        ("constant", "B", 1, "const A = 'http://x', B = 2"),
        ("property", "$place", 1, "private static ?string $place = null, $other"),
        ("property", "$other", 1, "private static ?string $place = null, $other"),
        ("property", "$long", 1, "protected array $long …"),
        ("method", "__construct", 1, "public function __construct(private readonly int $x, ?B $y = null)"),
        ("method", "m", 1, "abstract protected function m(): static"),
        ("method", "line", 1, "public function line()"),
        ("enum", "Suit", 0, "enum Suit: string"),
        ("case", "Hearts", 1, "case Hearts = 'H'"),
        ("function", "g", 0, "function g(int ...$x): void"),
        ("interface", "I", 0, "interface I"),
        ("method", "n", 1, "function n()"),
        ("trait", "T", 0, "trait T"),
        ("constant", "LIMIT", 0, "const LIMIT = 3"),
    ]
    assert facts.header_lines == {2, 3, 4, 5, 9, 10, 11, 12, 14}
    entries = {entry.name: entry for entry in facts.outline}
    docs = {name: entry.doc for name, entry in entries.items() if entry.doc}
    assert docs == {"Foo": "What it is.", "$place": "Where.", "$other": "Where.", "g": "Does it."}
    assert entries["Foo"].decorators == ("#[Attr(1)]",)
    assert entries["m"].decorators == ("#[One, Two]", "#[Three]")
    assert (entries["Foo"].start_line, entries["Foo"].end_line) == (21, 47)
    assert entries["Foo"].signature_lines == {17, 21, 22}
    assert entries["$long"].signature_lines == {30}
    assert entries["__construct"].signature_lines == {35, 36, 37, 38}
    assert entries["line"].signature_lines == set()
    assert entries["g"].signature_lines == {53, 55}


@pytest.mark.parametrize(
    "source",
    [b"<?php $x = " + b"(" * 10_000, b"<?php " + b"[" * 10_000 + b"]" * 10_000,
     b"<?php " + b"if (1) {" * 5_000, b"<?php " + b"else if (1) {" * 5_000,
     b"<?php " + b"function f() {" * 3_000, b"<?php " + b"class A {" * 3_000, b"\xff" * 1_000,
     b"<?php include " + b"'a' . " * 10_000 + b"'b';", b"<?php include " + b"dirname(" * 10_000,
     b"<?php $x" + b"->a" * 50_000 + b";", b"<?php use A\\{" + b"B," * 20_000 + b"};",
     b"<?php " + b"namespace A { use B\\C; new C; }" * 3_000, b"<?php \\" + b"A\\" * 50_000 + b"b();",
     b"<?php " + b"if (1): " * 3_000, b"<?php " + b"define('A', A . 'x'); include A;" * 3_000,
     b"<?php /** " * 500, b"<?php ?>" * 30_000, b"<?php <<<A\n" * 10_000],
    ids=lambda source: source[-15:].decode("latin-1"),
)  # fmt: skip
def test_hostile_sources_are_survived(source, read):
    start = time.perf_counter()
    scan(source)
    assert time.perf_counter() - start < 5
    read({"a.php": source.decode("latin-1"), "b.php": "<?php namespace A; use A\\B; new B; include A;"})
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    "metadata",
    ["[" * 10_000, "[]", "{", '{"autoload": []}',
     '{"autoload": {"psr-4": [], "psr-0": 3, "classmap": {"a": 1}}}',
     '{"name": 3, "autoload": {"psr-4": {"A": null, "B\\\\": [1, "src"], "": "../.."}}, "require": ["x"]}',
     '{"autoload": {"classmap": [""], "exclude-from-classmap": ["' + "**/" * 5_000 + '", "[", 1]}}',
     '{"autoload": {"files": ["src/B.php", "src", "/", "gone.php"], "psr-0": {"": ["", "src"]}}}'],
)  # fmt: skip
def test_metadata_that_composer_would_not_accept(read, metadata):
    code = "<?php require __DIR__ . '/src/B.php'; new B\\B;"
    assert ("a.php", "src/B.php") in edges(
        read({"composer.json": metadata, "a.php": code, "src/B.php": declaring("B\\B")})
    )


def test_many_packages_and_names_take_linear_time(read):
    files = {}
    for number in range(400):
        files[f"p{number}/composer.json"] = composer(
            name=f"a/p{number}",
            require={f"a/p{number - 1}": "*"},
            autoload={"psr-4": {"A\\": "src", "": "src"}, "classmap": ["../"]},
        )
        files[f"p{number}/src/C{number}.php"] = (
            f"<?php namespace A; class C{number} extends C{number - 1} {{}}"
        )
    files["composer.json"] = composer(
        replace={f"a/p{number}": "*" for number in range(400)}, autoload={"psr-4": {"A\\": "src"}}
    )
    start = time.perf_counter()
    assert len(edges(read(files))) == 399
    assert time.perf_counter() - start < 10


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 900), length=st.integers(0, 1_200), noise=st.binary(max_size=30))
def test_truncated_and_random_sources_never_crash(start, length, noise):
    scan(noise)
    scan(b"<?php " + noise)
    cut = b"<?php " + OUTLINED.encode()[start : start + length]
    assert_outlined(scan, cut)
