"""Java's names against the traps that resolvers fall into, and what one file says by itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.structure.jvm.java import scan

from .conftest import assert_outlined, edges

LIBRARY = {
    "src/p/Tool.java": "package p; public class Tool { public static int make() { return 1; }\n"
    " public static class Part { public static class Bolt {} } }",
    "src/p/Base.java": "package p; public class Base { protected static class Inherited {} }",
    "src/p/Color.java": "package p; public enum Color { RED }",
    "src/q/Color.java": "package q; public class Color {}",
    "src/q/Near.java": "package q; class Near {} class Beside {}",
    "src/q/Tag.java": "package q; public @interface Tag { Class<?> value() default Object.class; }",
}


@pytest.mark.parametrize(
    ("code", "targets"),
    [
        ("import p.Tool; class A {}", {"p/Tool"}),
        ("import p.Tool.Part.Bolt; class A {}", {"p/Tool"}),
        ("import static p.Tool.make; class A {}", {"p/Tool"}),
        ("import static p.Tool.*; class A { int x = make(); }", {"p/Tool"}),
        ("import static p.Tool.Part.*; class A { Bolt b; }", {"p/Tool"}),
        ("import p.*; class A {}", set()),
        ("import p.*; class A { Tool t; }", {"p/Tool"}),
        ("import p.*; class A { Color c; }", {"q/Color"}),
        ("import p.Color; class A { Color c; }", {"p/Color"}),
        ("import p.Tool.*; class A { Part c; }", {"p/Tool"}),
        ("class A { p.Tool t; int x = p.Color.RED.ordinal(); }", {"p/Tool", "p/Color"}),
        ("class A { Near n; Beside b; }", {"q/Near"}),
        ("class A { Beside b() { return null; } }", {"q/Near"}),
        ("@Tag(Near.class) class A {}", {"q/Tag", "q/Near"}),
        ("class A { void f() throws Near { Object o = (Near) null; } }", {"q/Near"}),
        ("class A { Runnable r = Near::new; int n = Near.x + Color.y(); }", {"q/Near", "q/Color"}),
        ("class A<Near> { Near n; <Color> Color f() { Color c; } }", set()),
        ("class A { static class Near {} Near n; }", set()),
        ("class A { void f() { class Near {} new Near(); } }", set()),
        ("class A { void f(Object Near) { Near.hashCode(); } }", set()),
        ("import p.Base; class A extends Base { Inherited i; }", {"p/Base"}),
        ("class A extends p.Base { class Near {} class B extends A { Near n; Inherited i; } }", {"p/Base"}),
        ("class A { Object o = new p.Base() { Inherited i; }; }", {"p/Base"}),
        ("class A { void f(Object o) { o.new Near(); } }", set()),
        ("class A { Tool t; /* Near */ String s = \"Near\"; // Near\n }", set()),
        ("import java.util.Near; class A { Near n; }", set()),
        ("import p.*; import p . Tool ; class A { java.util.List<? extends Tool.Part> l; }", {"p/Tool"}),
    ],
)  # fmt: skip
def test_name_leads_to_the_file_that_declares_it(read, code, targets):
    blueprint = read(LIBRARY | {"src/q/A.java": f"package q; {code}"})
    wanted = {("src/q/A.java", f"src/{target}.java") for target in targets}
    assert {edge for edge in edges(blueprint) if edge[0] == "src/q/A.java"} == wanted
    assert blueprint.unresolved == ()


def test_kinds_say_how_a_name_is_found(read):
    code = "package q; import p.Tool; class A { Tool t; Near n; p.Color c; }"
    blueprint = read(LIBRARY | {"src/q/A.java": code})
    assert edges(blueprint, "import") == {
        ("src/q/A.java", "src/p/Tool.java"),
        ("src/q/A.java", "src/p/Color.java"),
    }
    assert edges(blueprint, "same-package") == {("src/q/A.java", "src/q/Near.java")}


def test_package_comes_from_the_header_and_not_from_the_folder(read):
    files = {
        "odd/Tool.java": "package a.b; public class Tool {}",
        "a/b/Tool.java": "package c; public class Tool {}",
        "Main.java": "import a.b.Tool; class Main {}",
    }
    assert edges(read(files)) == {("Main.java", "odd/Tool.java")}


@pytest.mark.parametrize(
    "decoy",
    ["vendor/org/lib/Tool.java", "org/lib/Tool.java", "src/main/java/x/org/lib/Tool.java", "Tool.java",
     "src/main/java/org/lib/sub/Tool.java"],
)  # fmt: skip
@pytest.mark.parametrize("wanted", ["org.lib.Tool", "lib.Tool", "org.lib.Tool.Part", "x.lib.Tool"])
def test_outside_type_never_lands_on_a_decoy(read, decoy, wanted):
    user = f"package app; import {wanted}; class Main {{ Tool t; Part p; }}"
    blueprint = read({"src/main/java/app/Main.java": user, decoy: "package app2; public class Tool {}"})
    assert edges(blueprint) == set()
    assert blueprint.external == (wanted.partition(".Tool")[0],)


def test_type_missing_from_a_package_inside_is_unresolved(read):
    user = "package q; import p.Gone; import static p.Absent.x; import java.util.*; class A {}"
    blueprint = read(LIBRARY | {"src/q/A.java": user})
    assert blueprint.unresolved == (("src/q/A.java", "p.Absent.x"), ("src/q/A.java", "p.Gone"))
    assert blueprint.external == ("java.util",)


SHOP = {
    "Shop.java": "class Shop { Till till; Till[] tills; static Shop make() { return null; } Shop(Note n) {}\n"
    " void pay(Coin c) {} void put(Coin c) {} void put(Note n) {} <T> T any() { return null; }\n"
    " Till till(int n) { return till; } }",
    "Till.java": "class Till { Coin coin() { return null; } Coin coin(Note... n) { return null; } }",
    "Coin.java": "class Coin { Mint mint; }",
    "Mint.java": "class Mint {}",
    "Note.java": "class Note {}",
    "Big.java": "class Big extends Shop { Big() { super(null); } }",
}


@pytest.mark.parametrize(
    ("code", "targets"),
    [
        ("void f(Shop s) { s.till.coin(); }", {"Shop", "Till", "Coin"}),
        ("void f(Shop s) { s.till(1).coin().mint.x(); }", {"Shop", "Till", "Coin", "Mint"}),
        ("void f(Shop s) { (s.tills[0]).coin(); }", {"Shop", "Till", "Coin"}),
        ("void f() { Shop.make().till(1); }", {"Shop", "Till"}),
        ("void f() { new Shop(null).pay(null); }", {"Shop", "Note", "Coin"}),
        ("void f(Object o) { ((Shop) o).pay(null); }", {"Shop", "Coin"}),
        ("Shop s; void f() { this.s.till(1); }", {"Shop", "Till"}),
        ("Shop s; void f() { s.till(1); }", {"Shop", "Till"}),
        ("void f(Big b) { b.till(1); }", {"Big", "Till"}),
        ("void f(Till t) { t.coin(null, null); }", {"Till", "Coin", "Note"}),
        ("void f(Shop s, Note n) { s.put(n); }", {"Shop", "Note"}),
        ("void f(Shop s) { s.put(g()); } Object g() { return null; }", {"Shop"}),  # either is meant
        ("void f(Shop s) { s.any().coin(); }", {"Shop"}),
        ("void f(Shop s) { s.till(1, 2); s.coin(); }", {"Shop"}),
        ("Shop s; void f(Object s) { s.till(1); }", {"Shop"}),
        ("Shop s; void f() { g(s -> s.till(1)); }", {"Shop"}),
        ("void f(Shop s) {} void g(Other s) { s.till(1); }", {"Shop"}),
        ("static { Shop s; } void g() { s.till(1); }", {"Shop"}),
        ("Till s; void g() { for (Shop s : x) {} s.coin(); }", {"Shop", "Till", "Coin"}),
        ("Till s; void g() { { Shop s; } s.coin(); }", {"Shop", "Till", "Coin"}),
        ("void f() { var s = g(); s.till(1); } Shop g() { return null; }", {"Shop"}),
        ("<Shop> void f(Shop s) { s.till(1); }", set()),
        ("void f(org.lib.Shop s) { s.till(1); }", set()),
    ],
)
def test_types_that_are_reached_through_members(read, code, targets):
    blueprint = read(SHOP | {"A.java": f"class A {{ {code} }}"})
    assert {edge[1] for edge in edges(blueprint) if edge[0] == "A.java"} == {
        f"{name}.java" for name in targets
    }


def test_what_a_class_inherits_is_its_own(read):
    code = "class A extends Big { A() { super(); } void f() { pay(null); till.coin(); } }"
    blueprint = read(SHOP | {"A.java": code})
    assert {edge[1] for edge in edges(blueprint) if edge[0] == "A.java"} == {
        "Big.java", "Coin.java", "Till.java",
    }  # fmt: skip
    assert ("Big.java", "Note.java") in edges(blueprint)


def test_long_chains_of_inheritance_end(read):
    files = {
        f"A{number}.java": f"class A{number} extends A{number + 1}.B {{ void f() {{ g(); }} }}"
        for number in range(400)
    }
    start = time.perf_counter()
    read(files | {"A400.java": "class A400 { class B {} }"})
    assert time.perf_counter() - start < 10


TWICE = {
    "one/pom.xml": "<project><artifactId>one</artifactId></project>",
    "two/pom.xml": "<project><artifactId>two</artifactId></project>",
    "one/src/main/java/x/Util.java": "package x; public class Util {}",
    "two/src/main/java/x/Util.java": "package x; public class Util {}",
    "one/src/main/java/x/Only.java": "package x; public class Only {}",
    "one/src/test/java/x/UtilTest.java": "package x; class UtilTest { Util u; Helper h; }",
    "one/src/test/java/x/Helper.java": "package x; class Helper {}",
}


@pytest.mark.parametrize(
    ("user", "code", "targets"),
    [
        ("one/src/main/java/x/A.java", "package x; class A { Util u; }", {"one/src/main/java/x/Util.java"}),
        ("two/src/test/java/y/A.java", "import x.Util; class A {}", {"two/src/main/java/x/Util.java"}),
        ("one/src/main/java/x/A.java", "package x; class A { Helper h; }", set()),
        ("two/src/main/java/x/A.java", "package x; class A { Only o; }", set()),
        ("three/src/main/java/y/A.java", "package y; import x.Only; class A {}",
         {"one/src/main/java/x/Only.java"}),
        ("three/src/main/java/y/A.java", "package y; import x.Util; class A {}", set()),
    ],
)  # fmt: skip
def test_own_source_root_and_module_come_first(read, user, code, targets):
    build = {"three/build.gradle": ""}
    blueprint = read(TWICE | build | {user: code})
    assert {edge[1] for edge in edges(blueprint) if edge[0] == user} == targets
    assert ("one/src/test/java/x/UtilTest.java", "one/src/main/java/x/Util.java") in edges(blueprint)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pom.xml", "<project><parent><artifactId>two</artifactId></parent><artifactId>three</artifactId>\n"
         "<dependency><groupId>g</groupId><artifactId>one</artifactId></dependency></project>"),
        ("build.gradle", "dependencies { implementation project(':one') }"),
        ("build.gradle.kts", "dependencies { implementation(project(\":one\")) }"),
        ("build.gradle.kts", "dependencies { api(projects.one) }"),
    ],
)  # fmt: skip
def test_module_sees_those_that_it_depends_on(read, name, content):
    user = "three/src/main/java/x/A.java"
    blueprint = read(TWICE | {f"three/{name}": content, user: "package x; class A { Util u; Only o; }"})
    assert {target for source, target in edges(blueprint) if source == user} == {
        "one/src/main/java/x/Util.java",
        "one/src/main/java/x/Only.java",
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "pom.xml",
            "<project><dependency><artifactId>one</artifactId><scope>test</scope></dependency></project>",
        ),
        ("build.gradle", "dependencies {\n    testImplementation(project(':one'))\n}"),
    ],
)
def test_what_only_tests_depend_on_is_for_tests(read, name, content):
    code = "package x; class A { Only o; }"
    users = ("three/src/main/java/x/A.java", "three/src/test/java/x/B.java")
    blueprint = read(TWICE | {f"three/{name}": content} | dict.fromkeys(users, code))
    assert (users[1], "one/src/main/java/x/Only.java") in edges(blueprint)
    assert users[0] not in {source for source, _ in edges(blueprint)}


@pytest.mark.parametrize(
    "content",
    ["<dependency>" * 50_000, "<!--" * 100_000, "<parent>" * 50_000, "<artifactId>" * 50_000,
     "project(" * 50_000, "projects." + "a." * 100_000, "implementation(" * 30_000, " " * 300_000],
    ids=lambda content: content[:12],
)  # fmt: skip
@pytest.mark.parametrize("name", ["pom.xml", "build.gradle"])
def test_hostile_build_files_are_survived(read, name, content):
    start = time.perf_counter()
    read({name: content, "A.java": "class A { B b; }", "B.java": "class B {}"})
    assert time.perf_counter() - start < 5


def test_module_and_package_declarations(read):
    files = {
        "src/module-info.java": "module m { requires java.xml; exports p; uses p.Tool; }",
        "src/p/package-info.java": "/** Says. */\n@q.Tag(Tool.class)\npackage p;\n",
    }
    blueprint = read(LIBRARY | files)
    assert not {edge for edge in edges(blueprint) if edge[0] == "src/module-info.java"}
    assert {target for source, target in edges(blueprint) if source == "src/p/package-info.java"} == {
        "src/q/Tag.java",
        "src/p/Tool.java",
    }


def test_type_that_inherits_from_itself_ends(read):
    files = {
        "A.java": "class A extends B { Inner i; }",
        "B.java": "class B extends A.Inner {}",
        "C.java": "class C extends C.D.E {}",
    }
    assert edges(read(files)) == {("A.java", "B.java"), ("B.java", "A.java")}


OUTLINED = """\
// Copyright someone

/* more */
package com.x;

import java.util.List;
import static a.B.c;

/** A does.
 * More. */
@Deprecated
@SuppressWarnings({"a",
   "b"})
public final class A<T> extends B
    implements C {
  // K is it.
  static final int K = 1;
  private static final int[] M = {
     1, 2};
  int x = 3;
  enum E { ONE; void f() {} }
  /** Makes. */
  @Inject A(int x) { this.x = x; }

  @Override
  public <U> U m(
      @Nullable U u, // why
      int v) throws IOException {
    return u;
  }
}
record R(int a, String b) { R { } }
@interface An { int value() default 3; }
"""


def test_outline_and_header():
    facts = scan(OUTLINED.encode())
    assert [(entry.kind, entry.name, entry.depth, entry.signature) for entry in facts.outline] == [
        ("class", "A", 0, "public final class A<T> extends B implements C"),
        ("constant", "K", 1, "static final int K = 1"),
        ("constant", "M", 1, "private static final int[] M …"),
        ("enum", "E", 1, "enum E"),
        ("method", "f", 2, "void f()"),
        ("method", "A", 1, "A(int x)"),
        ("method", "m", 1, "public <U> U m(@Nullable U u, int v) throws IOException"),
        ("record", "R", 0, "record R(int a, String b)"),
        ("method", "R", 1, "R"),
        ("annotation", "An", 0, "@interface An"),
        ("method", "value", 1, "int value() default 3"),
    ]
    entries = {entry.name: entry for entry in facts.outline if entry.kind != "method"}
    assert facts.header_lines == {1, 3, 6, 7}
    assert entries["A"].decorators == ("@Deprecated", '@SuppressWarnings({"a", "b"})')
    assert (entries["A"].doc, entries["K"].doc) == ("A does.", "K is it.")
    assert entries["A"].signature_lines == {9, 11, 12, 13, 14, 15}
    assert entries["M"].signature_lines == {18}
    assert (entries["A"].start_line, entries["A"].end_line) == (11, 31)


def test_comment_on_a_type_is_no_header():
    assert scan(b"// Licence\n\n/** A does. */\nclass A {}\n").header_lines == {1}


@pytest.mark.parametrize(
    "source",
    [b"class A { int x = " + b"(" * 10_000, b"[" * 10_000 + b"]" * 10_000, b"class A { void f() {" * 3_000,
     b"\xff" * 1_000, b"class A { int x = a" + b".b" * 50_000 + b"; }", b"class A {" * 5_000,
     b"import a" + b".b" * 50_000, b"class A<T extends " + b"B<" * 5_000, b"@A(" * 5_000,
     b"class A { Object o = " + b"new B() { Object o = " * 2_000,
     b"class A { void f() { a" + b".b()" * 10_000 + b"; } }",
     b"class A { void f() {" + b" int a; a.b();" * 4_000 + b"} }",
     b"import a" + b" " * 400_000 + b".b;", b"import a" + b"/*" * 100_000],
    ids=lambda source: source[-9:].decode("latin-1"),
)  # fmt: skip
def test_hostile_sources_are_survived(read, source):
    start = time.perf_counter()
    scan(source)
    read({"A.java": source.decode("latin-1"), "B.java": "class B extends A {}"})
    assert time.perf_counter() - start < 10


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 300), length=st.integers(0, 700), noise=st.binary(max_size=30))
def test_truncated_and_random_sources_never_crash(start, length, noise):
    scan(noise)
    cut = OUTLINED.encode()[start : start + length]
    assert_outlined(scan, cut)
