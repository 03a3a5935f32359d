"""Names in C# against the traps that resolvers fall into, and what one file says by itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.structure.csharp import scan

from .conftest import assert_outlined, edges

SHOP = {
    "Item.cs": "namespace Shop.Items { public class Item { public static int Limit; public string Name; } }",
    "ItemOfT.cs": "namespace Shop.Items { class Item<T> { public static T None; public class Part { } } }",
    "Color.cs": "namespace Shop.Items { public enum Color { Red } }",
    "MarkAttribute.cs": "namespace Shop.Items { public class MarkAttribute : System.Attribute { } }",
    "Plain.cs": "namespace Shop.Items { public class Plain { public void Size() { } } }",
    "Tools.cs": "namespace Shop.Items { public static class Tools {"
    " public const int Most = 1; public static int Twice(this int n) => n;"
    " public static void Size(this int n) { } public static int Max(this int[] n) => 0; } }",
    "Base.cs": "namespace Shop { public class Base { protected int Count; } }",
}


@pytest.mark.parametrize(
    ("code", "targets"),
    [
        ("class A { Item a; }", {"Item"}),
        ("class A { Item<int> a; }", {"ItemOfT"}),
        ("class A { Item<int>.Part a; }", {"ItemOfT"}),
        ("class A : System.IComparable<Item[]> { }", {"Item"}),
        ("class A { object M(object o) => o as Item ?? (Item)o; }", {"Item"}),
        ("class A { bool M(object o) => o is Item; }", {"Item"}),
        ("class A { bool M(object o) => o switch { Item { Name: \"a\" } => true, _ => false }; }", {"Item"}),
        ("class A { string M() => nameof(Item.Name) + typeof(Item<>); }", {"Item", "ItemOfT"}),
        ("class A { int M() => Item.Limit + Item<int>.None; }", {"Item", "ItemOfT"}),
        ("class A { int M() => Shop.Items.Item.Limit; }", {"Item"}),
        ("class A { int M() => global::Shop.Items.Item.Limit; }", {"Item"}),
        ("class A { int M() => Items.Item.Limit; }", {"Item"}),
        ("class A { Color Color; Color M() => Color.Red; }", {"Color"}),
        ("[Mark] class A { }", {"MarkAttribute"}),
        ("[MarkAttribute] class A { }", {"MarkAttribute"}),
        ("[Plain] class A { }", set()),
        ("class A { int M(int n) => n.Twice(); }", {"Tools"}),
        ("class A { int? M(int? n) => n?.Twice(); }", {"Tools"}),
        ("class A { int M() => Tools.Most; }", {"Tools"}),
        # The name is a member's of another type, or of many outside.
        ("class A { void M(int n) { n.Size(); } }", set()),
        ("class A { int M(int[] n) => n.Max(); }", set()),
        ("class A { int M() => Outside.Twice(1).Twice; }", set()),
        # What is nearer hides.
        ("class A<Item> { Item a; }", set()),
        ("class A { Item M<Item>(Item a) => a; }", set()),
        ("class A { int M(Other Item) => Item.Limit; }", set()),
        ("class A { int M() { foreach (var Item in this) return Item.Limit; return 0; } }", set()),
        ("class A { Other Item; int M() => Item.Limit; }", set()),
        ("class A { class Item { public static int Limit; } int M() => Item.Limit; }", set()),
        ("class A { int M() => Item.Missing + Color.Blue; }", set()),
        ("class A { int M() => Item.Name.Length; }", set()),
        # Names that are no types.
        ("class A { int Item() => Item(); int Color; int M() => this.Color; }", set()),
        ("class A { object M() => new { Item = 1 }; void N() { M(Item: 2); Item: return; } }", set()),
    ],
)  # fmt: skip
def test_use_leads_to_the_file_of_the_type(read, code, targets):
    text = f"using Shop.Items;\nnamespace Shop.App\n{{\n    {code}\n}}\n"
    assert edges(read(SHOP | {"A.cs": text})) == {("A.cs", f"{target}.cs") for target in targets}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("namespace Shop.Items { class A { Item a; } }", {"Item": "same-package"}),
        ("namespace Shop.Items; class A { Item a; }", {"Item": "same-package"}),
        ("namespace Shop.Items.Deep { class A : Base { Item a; } }",
         {"Item": "same-package", "Base": "same-package"}),
        ("namespace Shop { namespace Items { class A { Item a; } } }", {"Item": "same-package"}),
        ("namespace Shop { using Items; class A { Item a; } }", {"Item": "import"}),
        ("using I = Shop.Items.Item; class A { I a; }", {"Item": "import"}),
        ("using S = Shop.Items; class A { S.Item a; S::Color b; }", {"Item": "import", "Color": "import"}),
        ("using static Shop.Items.Tools; class A { int a = Most; }", {"Tools": "import"}),
        ("using Shop.Items;", {}),
        ("class A { Item a; }", {}),
        ("namespace Shop { class A { Item a; } }", {}),
        ("namespace ShopItems { class A { Item a; } }", {}),
        ("using Shop.Items; var a = new Item(); a.Twice();", {"Item": "import", "Tools": "import"}),
    ],
)  # fmt: skip
def test_kind_says_how_the_name_came_into_scope(read, text, kinds):
    found = read(SHOP | {"A.cs": text}).dependencies
    assert {edge.target: edge.kind for edge in found if edge.source == "A.cs"} == {
        f"{name}.cs": kind for name, kind in kinds.items()
    }


def test_inner_namespace_hides_what_is_imported(read):
    files = {"Own.cs": "namespace Shop.App { class Item { } }"}
    text = "using Shop.Items; namespace Shop.App { class A { Item a; } }"
    assert edges(read(SHOP | files | {"A.cs": text})) == {("A.cs", "Own.cs")}


def test_name_of_two_imported_types_is_unresolved(read):
    files = {"Other.cs": "namespace Other { public class Item { } }"}
    blueprint = read(SHOP | files | {"A.cs": "using Shop.Items; using Other; class A { Item a; }"})
    assert edges(blueprint) == set()
    assert blueprint.unresolved == (("A.cs", "Item"),)


@pytest.mark.parametrize(
    "decoy",
    ["Json/JsonConvert.cs", "Newtonsoft/Json/JsonConvert.cs", "vendor/Newtonsoft.Json/JsonConvert.cs"],
)
@pytest.mark.parametrize("space", ["", "Json", "Shop.Newtonsoft.Json", "Newtonsoft.Json.Extra"])
def test_outside_type_never_lands_on_a_decoy(read, decoy, space):
    declared = "public class JsonConvert { public static string Read() => null; }"
    files = {decoy: f"namespace {space} {{ {declared} }}" if space else f"namespace A.B {{ {declared} }}"}
    text = "using Newtonsoft.Json;\nclass A { string M() => JsonConvert.Read(); JsonConvert c; }"
    assert edges(read(files | {"A.cs": text})) == set()


def test_property_of_an_unknown_base_is_no_type(read):
    files = {
        "User.cs": "namespace App { public class User { public string Name; public static User Root; } }"
    }
    text = "namespace App { class A : Controller { string M() => User.Name + nameof(User); } }"
    assert edges(read(files | {"A.cs": text})) == set()
    text = "namespace App { class A : Controller { object M() => User.Root; } }"
    assert edges(read(files | {"A.cs": text})) == {("A.cs", "User.cs")}


def test_members_of_known_bases_hide_types(read):
    files = {
        "User.cs": "namespace App { public class User { public static int Count; } }",
        "Base.cs": "namespace App { public class Base { protected Session User; } }",
        "A.cs": "namespace App { class A : Base { int M() => User.Count; } }",
    }
    assert edges(read(files)) == {("A.cs", "Base.cs")}


def test_parts_of_a_class_need_one_another_for_members_only(read):
    files = {
        "P.One.cs": "partial class P { int a; void M() { Two(a); } }",
        "P.Two.cs": "partial class P { void Two(int n) { int a = n; } public static int S; }",
        "P.Three.cs": "partial class P { int b; void N(int a) { this.M(); b = a; } }",
        "Use.cs": "class Use { P p; }",
        "Static.cs": "class Static { int n = P.S; }",
    }
    assert edges(read(files)) == {
        ("P.One.cs", "P.Two.cs"),
        ("P.Three.cs", "P.One.cs"),
        ("Static.cs", "P.Two.cs"),
    } | {("Use.cs", path) for path in ("P.One.cs", "P.Two.cs", "P.Three.cs")}


def project(*references: str, inside: str = "") -> str:
    listed = "".join(f'<ProjectReference Include="..\\{name}\\{name}.csproj" />' for name in references)
    return f'<Project Sdk="Microsoft.NET.Sdk"><ItemGroup>{listed}{inside}</ItemGroup></Project>'


THING = "namespace N { public class Thing { } }"
USE = "namespace N { class Use { Thing thing; } }"


@pytest.mark.parametrize(
    ("files", "target"),
    [
        ({"b/b.csproj": project(), "b/T.cs": THING, "a/a.csproj": project("b")}, "b/T.cs"),
        ({"b/b.csproj": project(), "b/T.cs": THING, "a/a.csproj": project()}, None),
        ({"b/b.csproj": project(), "b/T.cs": THING, "a/a.csproj": "<!--" + project("b") + "-->"}, None),
        ({"c/c.csproj": project(), "c/T.cs": THING, "b/b.csproj": project("c"),
          "a/a.csproj": project("b")}, "c/T.cs"),
        ({"b/b.csproj": project(), "b/T.cs": THING, "c/c.csproj": project(), "c/T.cs": THING,
          "a/a.csproj": project("c")}, "c/T.cs"),
        ({"b/b.csproj": project(), "b/T.cs": THING, "c/c.csproj": project(), "c/T.cs": THING,
          "a/a.csproj": project("b", "c")}, None),
        ({"b/b.csproj": project(), "b/T.cs": THING, "a/T.cs": THING, "a/a.csproj": project("b")}, "a/T.cs"),
        ({"b/b.csproj": project(), "b/T.cs": THING.replace("public ", ""), "a/a.csproj": project("b")}, None),
        ({"b/b.csproj": project(inside='<InternalsVisibleTo Include="a" />'),
          "b/T.cs": THING.replace("public ", ""), "a/a.csproj": project("b")}, "b/T.cs"),
        ({"b/b.csproj": project(), "b/T.cs": "[assembly: InternalsVisibleTo(\"a, K\")]"
          + THING.replace("public ", ""), "a/a.csproj": project("b")}, "b/T.cs"),
        ({"s/T.cs": THING, "a/a.csproj": project()}, None),
        ({"s/T.cs": THING, "a/a.csproj": project(inside='<Compile Include="..\\s\\*.cs" />')}, "s/T.cs"),
        ({"s/T.cs": THING, "a/a.csproj": project(inside='<Compile Include="../s/**" />')}, "s/T.cs"),
        ({"s/T.cs": THING, "Directory.Build.props": "<S>$(MSBuildThisFileDirectory)s</S>",
          "a/a.csproj": project(inside='<Compile Include="$(S)\\T.cs" />')}, "s/T.cs"),
        ({"s/T.cs": THING, "s/s.projitems": '<Compile Include="$(MSBuildThisFileDirectory)T.cs" />',
          "a/a.csproj": project(inside='<Import Project="..\\s\\s.projitems" Label="Shared" />')}, "s/T.cs"),
        ({"a/old/T.cs": THING, "a/a.csproj": project(inside='<Compile Remove="old\\**" />')}, None),
        ({"a/inner/T.cs": THING, "a/inner/i.csproj": project(), "a/a.csproj": project()}, None),
        ({"a/deep/T.cs": THING, "a/a.csproj": project()}, "a/deep/T.cs"),
        ({"a/T.cs": THING, "a/a.csproj": '<Project><Compile Include="Use.cs" /></Project>'}, None),
        ({"x/T.cs": THING}, "x/T.cs"),
        ({"x/T.cs": THING, "y/T.cs": THING}, None),
        ({"x/T.cs": THING, "a/T.cs": THING}, "a/T.cs"),
    ],
)  # fmt: skip
def test_projects_limit_what_is_seen(read, files, target):
    assert edges(read(files | {"a/Use.cs": USE})) == ({("a/Use.cs", target)} if target else set())


def test_global_usings_reach_the_whole_project_and_no_other(read):
    files = {
        "a/a.csproj": project("b", inside='<Using Include="B.Deep" />'),
        "a/Globals.cs": "global using B;\nglobal using static B.Constants;\nglobal using Other = B.Deep.Low;",
        "a/Use.cs": "class Use { Top top; Low low; int n = Size; }",
        "a/Alias.cs": "class Alias { Other other; }",
        "b/b.csproj": project(),
        "b/Top.cs": "namespace B { public class Top { } }",
        "b/Low.cs": "namespace B.Deep { public class Low { } }",
        "b/Constants.cs": "namespace B { public static class Constants { public const int Size = 1; } }",
        "c/c.csproj": project("b"),
        "c/Use.cs": "class Use { Top top; Low low; int n = Size; }",
    }
    assert edges(read(files)) == {
        ("a/Use.cs", "b/Top.cs"),
        ("a/Use.cs", "b/Low.cs"),
        ("a/Use.cs", "b/Constants.cs"),
        ("a/Alias.cs", "b/Low.cs"),
        ("a/Globals.cs", "b/Constants.cs"),
        ("a/Globals.cs", "b/Low.cs"),
    }


def test_outside_namespaces_are_recorded(read):
    text = (
        "using System;\nusing Shop.Items;\nusing Shop.Items.Gone;\nusing G = Shop.Items.Missing;\nclass A { }"
    )
    blueprint = read(SHOP | {"A.cs": text})
    assert set(blueprint.external) == {"System", "Shop.Items.Gone"}
    assert blueprint.unresolved == (("A.cs", "Shop.Items.Missing"),)


def test_directives_within_statements_cost_no_scope(read):
    text = """using Shop.Items;
namespace Shop.App {
    class A {
        int M() {
            return Item.Limit
#if NEW
                + 1;
#else
                ;
#endif
        }
        private class Item { public static int Limit; }
    }
}
"""
    assert edges(read(SHOP | {"A.cs": text, "B.cs": "namespace Shop.App { class B { A a; Item i; } }"})) == {
        ("B.cs", "A.cs")
    }


def test_namespace_in_a_string_of_a_file_with_errors_is_none(read):
    text = 'using Shop.Items;\nclass A {\nItem i; int M() => a, ; string s = @"\nnamespace Shop.Items;\n"; }'
    other = "class B { A a; }"
    assert edges(read(SHOP | {"A.cs": text, "B.cs": other})) == {("A.cs", "Item.cs"), ("B.cs", "A.cs")}


OUTLINED = """\
// Copyright someone

using System;
using static System.Math;

namespace Shop
{
    /// <summary>
    /// Keeps <see cref="Item"/>s.
    /// </summary>
    [Serializable]
    public partial class Store<T> : Base, IStore<T>
        where T : class
    {
        public const int Max = 3;
        private static readonly string[] Names = {
            "a",
        };
        private int count;

        // Makes one.
        public Store(int size) : base(size)
        {
        }

        public int Count { get; private set; }
        public bool IsEmpty => Count == 0;

        [Obsolete, Pure]
        public T this[int index] { get { return null; } }

        public event EventHandler Changed;

        public async Task<T> Find<K>(
            K key, // why
            int start = 0)
        {
            int Local() => 1;
            return null;
        }

        public static bool operator ==(Store<T> a, Store<T> b) => true;

        enum Kind { One, Two }
    }

    delegate void Done(object sender);
    record Point(int X, int Y);
}
"""


def test_outline_and_header():
    facts = scan(OUTLINED.encode())
    assert [(entry.kind, entry.name, entry.depth, entry.signature) for entry in facts.outline] == [
        ("namespace", "Shop", 0, "namespace Shop"),
        ("class", "Store", 1, "public partial class Store<T> : Base, IStore<T> where T : class"),
        ("constant", "Max", 2, "public const int Max = 3"),
        ("constant", "Names", 2, "private static readonly string[] Names …"),
        ("constructor", "Store", 2, "public Store(int size)"),
        ("property", "Count", 2, "public int Count { get; private set; }"),
        ("property", "IsEmpty", 2, "public bool IsEmpty"),
        ("property", "this[]", 2, "public T this[int index]"),
        ("event", "Changed", 2, "public event EventHandler Changed"),
        ("method", "Find", 2, "public async Task<T> Find<K>(K key, int start = 0)"),
        ("operator", "==", 2, "public static bool operator ==(Store<T> a, Store<T> b)"),
        ("enum", "Kind", 2, "enum Kind"),
        ("delegate", "Done", 1, "delegate void Done(object sender)"),
        ("record", "Point", 1, "record Point(int X, int Y)"),
    ]
    assert facts.header_lines == {1, 3, 4}
    entries = {(entry.kind, entry.name): entry for entry in facts.outline}
    store = entries["class", "Store"]
    assert (store.doc, store.decorators) == ("Keeps Items.", ("[Serializable]",))
    assert (store.start_line, store.end_line) == (11, 45)
    assert store.signature_lines == {9, 11, 12, 13, 14}
    assert entries["constructor", "Store"].doc == "Makes one."
    assert entries["method", "Find"].signature_lines == {34, 35, 36, 37}
    assert entries["constant", "Names"].signature_lines == {16}
    assert entries["property", "this[]"].decorators == ("[Obsolete, Pure]",)


@pytest.mark.parametrize(
    "source",
    [b"class A { int x = " + b"(" * 10_000, b"[" * 10_000 + b"]" * 10_000, b"class A { " * 3_000,
     b"namespace A { " * 3_000, b"\xff" * 1_000, b"class A { void M() { " + b"if (x) {" * 5_000,
     b"class A { int x = a" + b".b" * 50_000 + b"; }", b"class A { A" + b"<A" * 150,
        b"#if X\n" * 10_000,
     b"class A { " + b"/// <summary>\n" * 20_000, b"using A" + b".B" * 20_000 + b";",
     b"class A : A.B { class B : B.A { } }", b"namespace A;" * 5_000, b'x = $"{' * 3_000],
    ids=lambda source: source[-9:].decode("latin-1"),
)  # fmt: skip
def test_hostile_sources_are_survived(read, source):
    start = time.perf_counter()
    scan(source)
    assert time.perf_counter() - start < 5
    read({"a.cs": source.decode("latin-1"), "b.cs": "class B : A.B { A a = A.B.C; }"})


def test_type_arguments_nested_too_deep_are_not_parsed(read):
    blueprint = read({"a.cs": "class A { A" + "<A" * 12_000 + ">" * 12_000 + " a; }"})
    assert blueprint.unparsed == ("a.cs",)


def test_bases_in_circles_and_long_chains(read):
    files = {
        f"C{n}.cs": f"class C{n} : C{n + 1}.N {{ public class N : C{n + 2}.N {{ }} }}" for n in range(1_000)
    }
    circle = {"C999.cs": "class C999 : C0.N { public class N : C0.N { } int M() => C5.Missing; }"}
    assert ("C3.cs", "C4.cs") in edges(read(files | circle))


@pytest.mark.parametrize(
    "content",
    ["<" * 100_000, "<Project Sdk='x'>" + "<A>$(A)$(A)</A>" * 1_000 + "</Project>",
     '<Project Sdk="x"><Compile Include="**/**/**/**/**/*.cs;..\\..\\..\\x.cs;C:\\y.cs" /></Project>',
     '<Project Sdk="x"><Import Project="a.csproj" /><ProjectReference Include="a.csproj" /></Project>',
     "<!--" * 50_000, "<ItemGroup Condition" * 20_000],
    ids=["open", "properties", "globs", "itself", "comments", "groups"],
)  # fmt: skip
def test_project_files_that_no_tool_would_accept(read, content):
    start = time.perf_counter()
    blueprint = read({"a.csproj": content, "A.cs": THING, "B.cs": USE})
    assert edges(blueprint) == {("B.cs", "A.cs")}
    assert time.perf_counter() - start < 5


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 1_100), length=st.integers(0, 1_200), noise=st.binary(max_size=30))
def test_truncated_and_random_sources_never_crash(start, length, noise):
    scan(noise)
    cut = OUTLINED.encode()[start : start + length]
    assert_outlined(scan, cut)
