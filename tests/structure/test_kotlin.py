"""Kotlin's names, alone and beside Java's; what a whole project comes to is in ``labelled/kotlin``."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.structure.jvm import java, kotlin
from builder.structure.jvm.kotlin import scan

from .conftest import assert_outlined, edges

LIBRARY = {
    "src/p/Tool.kt": "package p\n\nclass Tool {\n    class Part\n"
    "    companion object {\n        val MAX = 1\n    }\n}\n",
    "src/p/make.kt": "package p\n\nfun make(): Int = 1\n\nval answer = 42\n",
    "src/p/more.kt": "package p\n\nfun make(x: Int): Int = x\n",
    "src/p/Hidden.kt": "package p\n\nprivate class Secret\n\nprivate fun secret() = 1\n",
    "src/q/Near.kt": "package q\n\nclass Near\n\nobject Single {\n    fun go() = 1\n}\n",
    "src/q/near.kt": "package q\n\nfun near() = 1\n\nconst val LIMIT = 3\n",
    "src/q/Ext.kt": "package q\n\nfun Near.grow() = this\n\nval String.loud: String get() = this\n",
    "src/q/Base.kt": "package q\n\nopen class Base {\n    fun near() = 2\n    class Nested\n}\n",
    "src/j/Java.java": "package j; public class Java { public static class Inner {} }",
}


@pytest.mark.parametrize(
    ("code", "targets"),
    [
        ("import p.Tool", {"p/Tool.kt"}),
        ("import p.Tool as Other\nval x = Other()", {"p/Tool.kt"}),
        ("import p.Tool as Other\nval x = Near()", {"p/Tool.kt", "q/Near.kt"}),
        ("import p.Tool as Near\nval x = Near()", {"p/Tool.kt"}),
        ("import p.Tool.Companion.MAX", {"p/Tool.kt"}),
        ("import p.Tool.*\nval x = Part()", {"p/Tool.kt"}),
        ("import p.make", {"p/make.kt", "p/more.kt"}),
        ("import p.answer", {"p/make.kt"}),
        ("import p.*", set()),
        ("import p.*\nval x = answer", {"p/make.kt"}),
        ("import p.*\nval x: Tool.Part? = null", {"p/Tool.kt"}),
        ("import p.*\nval x = make(1)", set()),  # which of the two is for the types of arguments to say
        ("import p.*\nval x = secret()\nval y: Secret? = null", set()),
        ("val x = p.Tool()", {"p/Tool.kt"}),
        ("val x = near() + LIMIT", {"q/near.kt"}),
        ("val x = ::near", {"q/near.kt"}),
        ("fun f(near: () -> Int) = near()", set()),
        ("class A {\n    fun near() = 1\n    val x = near()\n}", set()),
        ("class A : Base() {\n    val x = near()\n    val y = Nested()\n}", {"q/Base.kt"}),
        ("val x = Single.go()", {"q/Near.kt"}),
        ("fun f(x: Near) = x.grow()", {"q/Near.kt", "q/Ext.kt"}),
        ("fun f(x: Any) = x.grow()", set()),
        ("fun f(x: String) = x.loud", {"q/Ext.kt"}),
        ("class Box<Near>(val x: Near)", set()),
        ("fun <Near> f(x: Near): Near = x", set()),
        ("class A(val x: Near) {\n    class Near\n}", set()),
        ("fun f() {\n    class Near\n    Near()\n}", set()),
        ("// Near\nval x = \"Near\"", set()),
        ("val x = \"${near()}\"", {"q/near.kt"}),
        ("val x = when (y) {\n    is Near -> 1\n    else -> LIMIT\n}", {"q/Near.kt", "q/near.kt"}),
        ("@Near\nannotation class Tag", {"q/Near.kt"}),
        ("import j.Java.Inner", {"j/Java.java"}),
        ("import j.*\nval x = Java()", {"j/Java.java"}),
        ("import kotlin.collections.Near\nval x: Near? = null", set()),
    ],
)  # fmt: skip
def test_name_leads_to_the_file_that_declares_it(read, code, targets):
    blueprint = read(LIBRARY | {"src/q/A.kt": f"package q\n\n{code}\n"})
    wanted = {("src/q/A.kt", f"src/{target}") for target in targets}
    assert {edge for edge in edges(blueprint) if edge[0] == "src/q/A.kt"} == wanted
    assert blueprint.unresolved == ()


@pytest.mark.parametrize(
    ("code", "targets"),
    [
        ("import p.Tool;", {"p/Tool.kt"}),
        ("import static p.MakeKt.make;", {"p/make.kt"}),
        ("import q.*; class A { int x = NearKt.near(); Near y; }", {"q/near.kt", "q/Near.kt"}),
        ("import q.*; class A { int x = Names.of(); }", {"q/facade.kt"}),
        ("import q.*; class A { int x = FacadeKt.of(); }", set()),
        ("import p.*; class A { int x = make(); }", set()),
    ],
)
def test_java_uses_kotlin(read, code, targets):
    facade = {"src/q/facade.kt": '@file:JvmName("Names")\n\npackage q\n\nfun of() = 1\n'}
    blueprint = read(LIBRARY | facade | {"src/r/A.java": f"package r; {code}"})
    wanted = {("src/r/A.java", f"src/{target}") for target in targets}
    assert {edge for edge in edges(blueprint) if edge[0] == "src/r/A.java"} == wanted


def test_java_and_kotlin_are_linked_together():
    assert java.link is kotlin.link


def test_missing_is_unresolved_and_outside_is_external(read):
    code = "package q\n\nimport p.Gone\nimport p.gone\nimport kotlin.math.max\nimport org.lib.Tool\n"
    blueprint = read(LIBRARY | {"src/q/A.kt": code, "src/lib/Tool.kt": "package lib\n\nclass Tool\n"})
    assert blueprint.unresolved == (("src/q/A.kt", "p.Gone"), ("src/q/A.kt", "p.gone"))
    assert blueprint.external == ("kotlin.math", "org.lib")
    assert not {edge for edge in edges(blueprint) if edge[0] == "src/q/A.kt"}


@pytest.mark.parametrize(
    "decoy",
    ["vendor/org/lib/Tool.kt", "org/lib/Tool.kt", "src/main/kotlin/org/lib/Tool.kt", "Tool.kt",
     "src/main/kotlin/org/lib/sub/Tool.kt"],
)  # fmt: skip
@pytest.mark.parametrize("package", ["app2", "x.org.lib", "org.lib.sub", "org.lib2", "lib"])
@pytest.mark.parametrize("wanted", ["org.lib.Tool", "org.lib.Tool.Part", "org.lib.tool", "org.lib.*"])
def test_outside_name_never_lands_on_a_decoy(read, decoy, package, wanted):
    code = f"package app\nimport {wanted}\nval x: Tool = tool(Part())"
    declared = f"package {package}\nclass Tool {{ class Part }}\nclass Part\nfun tool(x: Any) = Tool()"
    blueprint = read({"src/main/kotlin/app/Main.kt": code, decoy: declared})
    assert edges(blueprint) == set()
    assert blueprint.external == ("org.lib",)


def test_platforms_do_not_see_each_other(read):
    files = {
        "src/commonMain/kotlin/a/Api.kt": "package a\n\nexpect class Api\n\nfun use(api: Api) = Local()\n",
        "src/jvmMain/kotlin/a/Jvm.kt": "package a\n\nactual class Api\n\nclass Local\n",
        "src/jsMain/kotlin/a/Js.kt": "package a\n\nactual class Api\n\nclass Page(val x: Local)\n",
        "src/jvmTest/kotlin/a/ApiTest.kt": "package a\n\nval api: Api? = null\n",
    }
    assert edges(read(files)) == {("src/jvmTest/kotlin/a/ApiTest.kt", "src/jvmMain/kotlin/a/Jvm.kt")}


def test_declaration_is_found_in_what_the_grammar_cannot_read(read):
    broken = (
        "package p\n\nclass Odd {\n    val a = if (b and set != 0) 1 else 2 ! ! in ]]\n}\n\nfun odd() = 1\n"
    )
    user = "package q\n\nimport p.Odd\nimport p.odd\n"
    assert edges(read({"p/Odd.kt": broken, "q/A.kt": user})) == {("q/A.kt", "p/Odd.kt")}


OUTLINED = """\
// Copyright someone
@file:JvmName("Outlined")

package a

import b.C
import d.*

/** A does. */
@Ann(1)
data class A<T>(
    val x: Int, // why
    val y: T,
) : B(x) {
    companion object {
        const val K = 1
    }

    @Override fun m(): Int {
        return 1
    }

    constructor(x: Int) : this(x, 2)
    sealed interface I
}

@Ann
annotation class An
enum class E { ONE, TWO }
object O
typealias L = List<Int>

/* Adds. */
fun <T> List<T>.add(
    x: T,
) = this + x

val TABLE = mapOf(
    1 to 2,
)
val plain = 3
"""


def test_outline_and_header():
    facts = scan(OUTLINED.encode())
    assert [(entry.kind, entry.name, entry.depth, entry.signature) for entry in facts.outline] == [
        ("class", "A", 0, "data class A<T>(val x: Int, val y: T) : B(x)"),
        ("object", "Companion", 1, "companion object"),
        ("constant", "K", 2, "const val K = 1"),
        ("method", "m", 1, "fun m(): Int"),
        ("method", "constructor", 1, "constructor(x: Int) : this(x, 2)"),
        ("interface", "I", 1, "sealed interface I"),
        ("annotation", "An", 0, "annotation class An"),
        ("enum", "E", 0, "enum class E"),
        ("object", "O", 0, "object O"),
        ("type", "L", 0, "typealias L = List<Int>"),
        ("function", "add", 0, "fun <T> List<T>.add(x: T)"),
        ("constant", "TABLE", 0, "val TABLE …"),
    ]
    entries = {entry.name: entry for entry in facts.outline}
    assert facts.header_lines == {1, 2, 6, 7}
    assert (entries["A"].decorators, entries["An"].decorators) == (("@Ann(1)",), ("@Ann",))
    assert (entries["A"].doc, entries["add"].doc) == ("A does.", "Adds.")
    assert entries["A"].signature_lines == {9, 10, 11, 12, 13, 14}
    assert (entries["TABLE"].start_line, entries["TABLE"].end_line) == (38, 40)


@pytest.mark.parametrize(
    "source",
    [b"val x = " + b"(" * 10_000, b"[" * 10_000 + b"]" * 10_000, b"fun f() {" * 3_000, b"\xff" * 1_000,
     b"val x = a" + b".b" * 50_000, b"class A {" * 3_000, b"import a" + b".b" * 50_000,
     b"val x: " + b"B<" * 5_000, b"val x = \"${" * 2_000, b"object : A {" * 2_000,
     b"import a" + b" " * 400_000 + b"as b", b"]]\n" + b"public\n" * 50_000, b"]]\n" + b"public " * 50_000],
    ids=lambda source: source[-9:].decode("latin-1"),
)  # fmt: skip
def test_hostile_sources_are_survived(read, source):
    start = time.perf_counter()
    read({"A.kt": source.decode("latin-1"), "B.kt": "class B : A()\n"})
    assert time.perf_counter() - start < 15


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 300), length=st.integers(0, 700), noise=st.binary(max_size=30))
def test_truncated_and_random_sources_never_crash(start, length, noise):
    scan(noise)
    cut = OUTLINED.encode()[start : start + length]
    assert_outlined(scan, cut)
