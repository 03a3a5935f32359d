"""Ruby's loads and constants against the traps that resolvers fall into, and what one file says by itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.structure.detection import detect
from builder.structure.ruby import scan

from .conftest import assert_outlined, edges

GEM = {
    "tool.gemspec": 'Gem::Specification.new { |s| s.name = "tool"; s.add_dependency "rack" }',
    "lib/tool.rb": "module Tool\n  def self.run; end\nend",
    "lib/tool/part.rb": "module Tool\n  class Part; end\nend",
    "lib/tool/deep/part.rb": "module Tool\n  module Deep\n    class Part; end\n  end\nend",
}


def targets(read, path: str, code: str, **more: str) -> set[str]:
    blueprint = read(GEM | more | {path: code})
    return {target for source, target in edges(blueprint) if source == path}


@pytest.mark.parametrize(
    ("path", "code", "found"),
    [
        ("lib/main.rb", 'require "tool/part"', {"lib/tool/part.rb"}),
        ("lib/main.rb", 'require "tool/part.rb"', {"lib/tool/part.rb"}),
        ("lib/main.rb", "require('tool/part') unless x", {"lib/tool/part.rb"}),
        ("lib/tool/main.rb", 'require_relative "part"', {"lib/tool/part.rb"}),
        ("lib/tool/main.rb", 'require_relative "../tool"', {"lib/tool.rb"}),
        ("lib/tool/main.rb", 'require File.expand_path("../part", __FILE__)', {"lib/tool/part.rb"}),
        ("lib/tool/main.rb", 'require File.expand_path("part", __dir__)', {"lib/tool/part.rb"}),
        ("lib/tool/main.rb", 'require File.join(__dir__, "deep", "part")', {"lib/tool/deep/part.rb"}),
        ("lib/tool/main.rb", 'require File.join(File.dirname(__FILE__), "part")', {"lib/tool/part.rb"}),
        ("lib/tool/main.rb", 'require File.dirname(__FILE__) + "/part"', {"lib/tool/part.rb"}),
        ("lib/tool/main.rb", 'require "#{__dir__}/part"', {"lib/tool/part.rb"}),
        ("lib/tool/main.rb", 'require Pathname.new(__dir__).join("part").to_s', {"lib/tool/part.rb"}),
        ("lib/tool/main.rb", 'HERE = __dir__\nrequire "#{HERE}/part"', {"lib/tool/part.rb"}),
        ("lib/tool/main.rb", 'load File.expand_path("part.rb", __dir__)', {"lib/tool/part.rb"}),
        ("Rakefile", 'load "lib/tool/part.rb"', {"lib/tool/part.rb"}),
        ("Rakefile", 'require "./lib/tool/part"', {"lib/tool/part.rb"}),
        ("lib/main.rb", 'load "tool/part.rb"', {"lib/tool/part.rb"}),
        ("lib/main.rb", 'load "tool/part"', set()),
        ("lib/main.rb", 'require_dependency "tool/part"', {"lib/tool/part.rb"}),
        ("lib/main.rb", 'autoload :Part, "tool/part"', {"lib/tool/part.rb"}),
        ("lib/main.rb", "%w[tool tool/part].each { |it| require it }", {"lib/tool.rb", "lib/tool/part.rb"}),
        (
            "lib/main.rb",
            '["part", "deep/part"].each do |name|\n  require "tool/#{name}"\nend',
            {"lib/tool/part.rb", "lib/tool/deep/part.rb"},
        ),
        ("lib/main.rb", 'Dir["#{__dir__}/tool/*.rb"].sort.each { |f| require f }', {"lib/tool/part.rb"}),
        (
            "lib/main.rb",
            'Dir.glob(File.join(__dir__, "tool", "**", "*.rb")) { |file| require file }',
            {"lib/tool/part.rb", "lib/tool/deep/part.rb"},
        ),
        ("bin/tool", '#!/usr/bin/env ruby\nrequire "tool"', {"lib/tool.rb"}),
        ("test/a_test.rb", 'require "tool/part"', {"lib/tool/part.rb"}),
        ("lib/main.rb", 'params.require("tool/part")', set()),
        ("lib/main.rb", 'YAML.load "tool/part.rb"', set()),
        ("lib/main.rb", 'text = <<~RUBY\n  require "tool/part"\nRUBY', set()),
        ("lib/main.rb", '# require "tool/part"\n=begin\nrequire "tool/part"\n=end', set()),
        ("lib/main.rb", '__END__\nrequire "tool/part"', set()),
    ],
)  # fmt: skip
def test_load_leads_to_its_file(read, path, code, found):
    assert targets(read, path, code) == found


@pytest.mark.parametrize(
    "decoy",
    ["lib/tool/json.rb", "lib/tool/vendor/json.rb", "vendor/json.rb", "json.rb", "spec/json.rb",
     "app/json.rb", "other/lib/json.rb", "lib/json/json.rb", "lib/JSON.rb",
     "lib/json.rbx", "lib/tool/json/add/core.rb"],
)  # fmt: skip
@pytest.mark.parametrize("wanted", ["json", "json/add/core"])
def test_outside_name_never_lands_on_a_decoy(read, decoy, wanted):
    other = {"other/other.gemspec": 'Gem::Specification.new { |s| s.name = "other" }'}
    files = {
        decoy: "module JSON\n  def self.x; end\nend",
        "lib/main.rb": f'require "{wanted}"\nJSON.parse("1")',
    }
    blueprint = read(GEM | other | files)
    assert edges(blueprint) == set()
    assert wanted in blueprint.external


@pytest.mark.parametrize(
    ("path", "content", "code"),
    [
        ("lib/core_ext/string.rb", "class String\n  def x; end\nend", "String.new"),
        ("lib/string.rb", "class String\n  def x; end\nend", "String.new"),
        (
            "lib/tool/patch.rb",
            "module Rack\n  class Request\n    def x; end\n  end\nend",
            "Rack::Request.new",
        ),
        ("lib/tool/patch.rb", "class Net::HTTP\n  def x; end\nend", "Net::HTTP.get(1)"),
        ("lib/tool/active_record.rb", "class ActiveRecord::Base\n  def x; end\nend", "ActiveRecord::Base"),
        ("lib/tool/other.rb", "module Tool\n  class Other; end\nend", "Other.new"),
        ("lib/a/other.rb", "module A\n  class Other; end\nend", "Other.new"),
        ("spec/support/other.rb", "class Other; end", "Other.new"),
        ("examples/other.rb", "class Other; end", "Other.new"),
        ("lib/generators/templates/other.rb", "class Other; end", "Other.new"),
        ("lib/other.rb", "class Other; end", "self.class::Other"),
        ("lib/other.rb", "class Other; end", "thing::Other"),
        ("lib/other.rb", "class Other; end", "Other(1)"),
        ("lib/other.rb", "class Other; end", "{ Other: 1 }"),
        ("lib/other.rb", "class Other; end", "X::Other"),
        ("other/lib/other.rb", "class Other; end", "Other"),
        ("sorbet/other.rbi", "class Other; end", "Other"),
    ],
)
def test_constant_of_others_never_lands_on_a_decoy(read, path, content, code):
    other = {"other/other.gemspec": 'Gem::Specification.new { |s| s.name = "other" }'}
    assert edges(read(GEM | other | {path: content, "lib/main.rb": code})) == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("Tool::Part.new", {"lib/tool/part.rb"}),
        ("::Tool::Part", {"lib/tool/part.rb"}),
        ("Tool::Part::Unknown", {"lib/tool/part.rb"}),
        ("Tool.run", {"lib/tool.rb"}),
        ("Tool::Deep", set()),  # is opened to nest only
        ("Part", set()),
        ("module Tool\n  Part\nend", {"lib/tool/part.rb"}),
        ("module Tool\n  module Deep\n    Part\n  end\nend", {"lib/tool/deep/part.rb"}),
        ("module Tool\n  class Deep::X\n    Part\n  end\nend", {"lib/tool/part.rb"}),  # not in Deep's scope
        ("module Tool\n  module Deep\n    class X < Part\n      Part\n    end\n  end\nend",
         {"lib/tool/deep/part.rb"}),
        ("class Tool::Deep::X\n  Part\nend", set()),
        ("module Tool\n  class Part::X; end\nend", {"lib/tool/part.rb"}),
        ("module Tool\n  class Part\n    class X; end\n  end\nend", set()),  # opens it again
        ("class X < Tool::Deep::Part; end", {"lib/tool/deep/part.rb"}),
        ("begin\nrescue Tool::Part\nend", {"lib/tool/part.rb"}),
        ("x = <<~T\n  #{Tool::Part}\nT", {"lib/tool/part.rb"}),
        ("class Tool::Part\n  class << self\n    Part\n  end\nend", {"lib/tool.rb"}),
        ("Tool::\n  Part", {"lib/tool/part.rb"}),
    ],
)  # fmt: skip
def test_constant_is_looked_up_in_lexical_scopes(read, code, found):
    assert targets(read, "lib/main.rb", code) == found


def test_modules_that_no_file_opens(read):
    more = {
        "app/jobs/admin/base_job.rb": "class Admin::BaseJob < Base; end",
        "app/jobs/admin/user_job.rb": "class Admin::UserJob < Admin::BaseJob; end",
        "app/models/user.rb": "class User < Base; end",
        "app/models/api/user.rb": "module Api\n  class User::Page; end\nend",  # of User, not of Api
        "app/models/api/list.rb": "module Api\n  class List\n    User\n  end\nend",
    }
    assert edges(read(more)) == {
        ("app/jobs/admin/user_job.rb", "app/jobs/admin/base_job.rb"),
        ("app/models/api/user.rb", "app/models/user.rb"),
        ("app/models/api/list.rb", "app/models/user.rb"),
    }


def test_constant_is_inherited_before_it_is_looked_up_at_the_top(read):
    more = {
        "lib/base.rb": "class Base\n  include Mixed\nend",
        "lib/mixed.rb": "module Mixed\n  def x; end\nend",
        "lib/mixed/size.rb": "module Mixed\n  class Size; end\nend",
        "lib/size.rb": "class Size; end",
    }
    assert targets(read, "lib/main.rb", "class Main < Base\n  Size\nend", **more) == {
        "lib/base.rb",
        "lib/mixed/size.rb",
    }
    assert targets(read, "lib/main.rb", "Size", **more) == {"lib/size.rb"}


def test_file_with_the_name_of_a_constant_is_preferred(read):
    more = {
        "lib/html_page.rb": "class HTMLPage\n  def a; end\nend",
        "lib/more/html_page.rb": "class HTMLPage\n  def b; end\nend",
        "lib/x.rb": "class Twice\n  def a; end\nend",
        "lib/y.rb": "class Twice\n  def b; end\nend",
    }
    assert targets(read, "lib/main.rb", "HTMLPage\nTwice", **more) == {"lib/html_page.rb"}


def test_what_is_made_here_counts_even_below_a_module_of_others(read):
    more = {
        "lib/x/request.rb": "module Rack\n  class Request\n    def x; end\n  end\nend",  # only opened again
        "lib/x/case.rb": "module Rack\n  class Case < Tool::Part\n  end\n  LIMIT = 1\nend",
        "spec/fake.rb": "module Rack\n  class Fake < Exception; end\nend",
    }
    assert targets(read, "lib/main.rb", "Rack::Request\nRack::Case\nRack::LIMIT", **more) == {"lib/x/case.rb"}
    assert targets(read, "spec/a_spec.rb", "Rack::Fake", **more) == set()
    assert targets(read, "lib/main.rb", "Rack::Utils", **more) == set()


def test_tests_do_not_use_what_others_make_for_themselves(read):
    more = {"spec/b_spec.rb": "class Dummy < Exception; end", "spec/support/c.rb": "class Stub; end"}
    assert targets(read, "spec/a_spec.rb", "Dummy\nStub", **more) == {"spec/support/c.rb"}


def test_gems_of_a_gemfile_are_of_others(read):
    more = {"lib/patches/wheel.rb": "class Wheel\n  def x; end\nend", "Gemfile": 'gem "wheel"'}
    assert targets(read, "lib/main.rb", "Wheel.new", **more) == set()


def test_what_is_not_found_in_a_module_of_many_files_leads_nowhere(read):
    assert targets(read, "lib/main.rb", "Tool::Unknown\nTool::Deep::Unknown") == set()


def test_module_that_is_opened_is_loaded_first_where_rails_loads_it(read):
    files = {
        "app/models/book.rb": "class Book < Base; end",
        "app/models/book/page.rb": "class Book\n  class Page; end\nend",
        "app/models/admin/user.rb": "module Admin\n  class User; end\nend",
        "app/models/admin/role.rb": "module Admin\n  class Role; end\nend",
        "lib/book/cover.rb": "class Book\n  class Cover; end\nend",
    }
    assert edges(read(files)) == {("app/models/book/page.rb", "app/models/book.rb")}


def test_kinds(read):
    code = """\
    class Main < Tool::Part
      autoload :X, "x"
      SIZE = ->(a) { L.size(a) }
      sig { params(a: S).void }
      def run(a = D.new)
        require "y"
        M.new
      end
      before_action(:x) { E.new }
      define_method(:z) { F.new }
      I.each { B }
    end
    """
    files = {f"lib/{name}.rb": f"class {name.upper()}; end" for name in "lsdmibxyef"}
    blueprint = read(GEM | files | {"lib/main.rb": code})
    assert edges(blueprint, "import") == {
        ("lib/main.rb", f"lib/{name}.rb") for name in ("tool/part", "i", "b")
    }
    assert edges(blueprint, "lazy") == {("lib/main.rb", f"lib/{name}.rb") for name in "xldymef"}
    assert edges(blueprint, "type-only") == {("lib/main.rb", "lib/s.rb")}


def test_names_that_active_support_derives(read):
    files = {
        f"lib/{path}.rb": ""
        for path in ("tool/http_cache", "tool/parts/wheel", "tool/deep/kinds", "tool/given", "http_cache")
    }
    code = """\
    module Tool
      extend ActiveSupport::Autoload
      autoload :HTTPCache
      eager_autoload do
        autoload :Given, "tool/given"
        autoload_under("parts") { autoload :Wheel }
        autoload_at "tool/deep/kinds" do
          autoload :Red
        end
      end
    end
    """
    paths = ("tool/http_cache", "tool/parts/wheel", "tool/deep/kinds", "tool/given")
    assert edges(read(GEM | files | {"lib/tool.rb": code}), "lazy") == {
        ("lib/tool.rb", f"lib/{path}.rb") for path in paths
    }
    plain = code.replace("extend ActiveSupport::Autoload", "")
    assert edges(read(GEM | files | {"lib/tool.rb": plain})) == {("lib/tool.rb", "lib/tool/given.rb")}


@pytest.mark.parametrize(
    ("wiring", "sees"),
    [
        ({}, False),
        ({"tool.gemspec": 'Gem::Specification.new { |s| s.add_dependency("wheel", ">= 1") }'}, True),
        ({"Gemfile": 'gem "wheel", "~> 1", path: "gems/wheel"'}, True),
        ({"Gemfile": 'path "gems" do\n  gem "wheel"\nend'}, True),
        ({"Gemfile": 'gem "wheel"'}, False),
        ({"gems/copy/wheel.gemspec": "", "Gemfile": 'gem "wheel", path: "gems/wheel"'}, False),
    ],
)
def test_gem_sees_the_gems_that_it_declares(read, wiring, sees):
    files = {
        "gems/wheel/wheel.gemspec": 'Gem::Specification.new { |s| s.name = "wheel" }',
        "gems/wheel/lib/wheel.rb": "class Wheel; end",
        "lib/main.rb": 'require "wheel"',
        "lib/user.rb": "Wheel.new",
    }
    blueprint = read(GEM | files | wiring)
    assert edges(blueprint) == (
        {("lib/main.rb", "gems/wheel/lib/wheel.rb"), ("lib/user.rb", "gems/wheel/lib/wheel.rb")}
        if sees
        else set()
    )
    assert ("wheel" in blueprint.external) != sees


def test_load_path_of_a_test_is_its_own(read):
    files = {
        "spec/spec_helper.rb": "",
        "spec/a_spec.rb": 'require "spec_helper"',
        "lib/main.rb": 'require "spec_helper"',
        "gems/b/b.gemspec": "",
        "gems/b/spec/b_spec.rb": 'require "spec_helper"',
    }
    assert edges(read(GEM | files)) == {("spec/a_spec.rb", "spec/spec_helper.rb")}


@pytest.mark.parametrize(
    "code",
    ['$LOAD_PATH.unshift File.expand_path("../tools", __dir__)', '$: << File.join(__dir__, "..", "tools")',
     '$LOAD_PATH.unshift("#{File.dirname(__FILE__)}/../tools")',
     'tools = File.expand_path("../../tools", __FILE__)\n$:.unshift(tools) unless $:.include?(tools)'],
)  # fmt: skip
def test_what_a_file_adds_to_the_load_path(read, code):
    files = {
        "tools/saw.rb": 'require "blade"',
        "tools/blade.rb": "",
        "bin/saw": f'#!/usr/bin/ruby\n{code}\nrequire "saw"',
        "bin/other": '#!/usr/bin/ruby\nrequire "saw"',
    }
    assert edges(read(GEM | files)) == {("bin/saw", "tools/saw.rb"), ("tools/saw.rb", "tools/blade.rb")}


def test_require_paths_of_a_gemspec(read):
    gemspec = 'Gem::Specification.new { |s| s.name = "a"; s.require_paths = ["src", "generated/ruby"] }'
    files = {"a.gemspec": gemspec, "src/a.rb": 'require "b"', "generated/ruby/b.rb": "", "other/b.rb": ""}
    assert edges(read(files)) == {("src/a.rb", "generated/ruby/b.rb")}


def test_what_cannot_be_told_is_unresolved(read):
    code = 'require_relative "gone"\nrequire "tool/#{name}"\nrequire File.join(__dir__, "lost")\nload path\n'
    blueprint = read(GEM | {"lib/tool/main.rb": code + "require " + "x" * 200})
    assert blueprint.unresolved == (
        ("lib/tool/main.rb", "gone"),
        ("lib/tool/main.rb", "lost"),
        ("lib/tool/main.rb", 'require "tool/#{name}"'),
        ("lib/tool/main.rb", "require " + "x" * 71 + "…"),
    )
    assert edges(blueprint) == set()


@pytest.mark.parametrize(
    "path",
    ["Rakefile", "Gemfile", "config.ru", "a.gemspec", "tasks/a.rake", "Guardfile", "Podfile", "a.rbi"],
)
def test_ruby_has_many_names(path):
    assert detect(path, "") == "Ruby"
    assert detect("bin/x", "#!/usr/bin/env ruby3.1\n") == "Ruby"


def test_gemspec_is_metadata_and_comes_first(read):
    blueprint = read(GEM | {"docs/a.md": "", "lib/a.rb": ""})
    assert blueprint.order[0] == "tool.gemspec"


OUTLINED = """\
#!/usr/bin/env ruby
# frozen_string_literal: true

# Copyright someone

require "json"
require_relative "a"

module Outer
  # = Shapes
  #
  # rubocop:disable Style/Documentation
  class Shape < Base::Thing # why
    include Comparable
    autoload :Line, "line"

    # The largest.
    MAX = 3
    TABLE = {
      a: 1
    }.freeze
    Pair = Struct.new(:a, :b)

    attr_reader :width, :height

    # :nodoc:
    # Measures it.
    # @return [Integer]
    def area(
      scale = 1, # times
      unit: :cm, &block
    )
      require "lazy"
      inner = 1
      def hidden; end
    end

    def short = 1

    class << self
      def make(*args); end
    end

    def self.other
    end

    private def secret?
      true
    end
  end
end

def top(a)
end
"""


def test_outline_and_header():
    facts = scan(OUTLINED.encode())
    assert [(entry.kind, entry.name, entry.depth, entry.signature) for entry in facts.outline] == [
        ("module", "Outer", 0, "module Outer"),
        ("class", "Shape", 1, "class Shape < Base::Thing"),
        ("constant", "MAX", 2, "MAX = 3"),
        ("constant", "TABLE", 2, "TABLE = …"),
        ("constant", "Pair", 2, "Pair = Struct.new(:a, :b)"),
        ("attribute", "width, height", 2, "attr_reader :width, :height"),
        ("method", "area", 2, "def area(scale = 1, unit: :cm, &block)"),
        ("method", "short", 2, "def short"),
        ("class", "<< self", 2, "class << self"),
        ("method", "make", 3, "def make(*args)"),
        ("method", "self.other", 2, "def self.other"),
        ("method", "secret?", 2, "def secret?"),
        ("function", "top", 0, "def top(a)"),
    ]
    entries = {entry.name: entry for entry in facts.outline}
    assert {name: entry.doc for name, entry in entries.items() if entry.doc} == {
        "Shape": "Shapes",
        "MAX": "The largest.",
        "area": "Measures it.",
    }
    assert facts.header_lines == {1, 2, 4, 6, 7, 15}
    assert entries["Shape"].signature_lines == {10, 13}
    assert entries["TABLE"].signature_lines == set()
    assert entries["area"].signature_lines == {27, 29, 30, 31, 32}
    assert entries["short"].signature_lines == set()  # its body stands on the same line
    assert (entries["area"].start_line, entries["area"].end_line) == (29, 36)


def test_licence_right_above_the_first_definition_documents_nothing():
    facts = scan(b"# frozen_string_literal: true\n# Copyright someone\n# All rights.\nclass Shape\nend\n")
    assert facts.header_lines == {1, 2, 3}
    assert facts.outline[0].doc == ""


def test_comment_right_above_the_first_definition_documents_it():
    facts = scan(b"# frozen_string_literal: true\n# A shape.\nclass Shape\nend\n")
    assert facts.header_lines == {1}
    assert (facts.outline[0].doc, facts.outline[0].signature_lines) == ("A shape.", {2, 3})


@pytest.mark.parametrize(
    "source",
    [b"x = " + b"(" * 10_000, b"[" * 10_000 + b"]" * 10_000, b"module A\n" * 5_000, b"class A < B\n" * 3_000,
     b"\xff" * 1_000, b"A" + b"::A" * 5_000, b"a" + b"::A" * 5_000, b"def x\n" * 5_000,
     b"class " + b"A::" * 3_000 + b"B; end", b"foo do\n" * 5_000, b"require " * 5_000, b'"#{' * 5_000,
     b"x = " + b"a + " * 20_000 + b"1\nrequire x", b"# a\n" * 9_000 + b"def a; end; " * 2_000,
     b"%w[" + b"a " * 5_000 + b"].each { |x| " + b"require x; " * 5_000 + b"}", b"-> {" * 5_000,
     b"module " + b"A" * 200 + b"\n" + (b"module " + b"B" * 200 + b"\nC\n") * 1_000,
     b"require(\n" * 5_000, b"require(x" * 5_000, b"autoload(" * 5_000, b"A = " * 5_000 + b"1",
     b"attr_reader(:a,\n" * 3_000, b"class A < B(\n" * 2_000, b"#\n" * 20_000 + b"def a; end; " * 3_000,
     b"x" + b".each { }" * 1_000, b"require " + b"File.join(" * 5_000,
     b"".join(b"a%d = File.join(%s)\n" % (n, b", ".join([b"a%d" % (n - 1)] * 50)) for n in range(9))
     + b"require a8",
     b"".join(b"x%d = x%d\n" % (n, n - 1) for n in range(5_000)) + b"require x4999"],
    ids=lambda source: source[:9].decode("latin-1"),
)  # fmt: skip
def test_hostile_sources_are_survived(source):
    start = time.perf_counter()
    scan(source)
    assert time.perf_counter() - start < 5


def test_hostile_repositories_are_survived(read):
    """Ancestors in circles, gems that need each other, patterns that fit everything."""
    files = {f"lib/c{n}.rb": f"class C{n} < C{(n + 1) % 300}\n  X\n  Y::Z\nend" for n in range(300)}
    files |= {f"g{n}/g{n}.gemspec": f's.add_dependency "g{(n + 1) % 50}"' for n in range(50)}
    files |= {"lib/all.rb": 'Dir["#{__dir__}/**/*c*/**/*"].each { |f| require f }\n' * 300}
    files |= {"lib/odd.rb": '$LOAD_PATH.unshift "../../..", "/", "\\0", __FILE__, "#{__dir__}/../../.."'}
    files |= {"d/" * 1_500 + "a.rb": 'require_relative "b"', "d/" * 1_500 + "b.rb": ""}
    assert len(edges(read(GEM | files))) == 301


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 800), length=st.integers(0, 900), noise=st.binary(max_size=30))
def test_truncated_and_random_sources_never_crash(start, length, noise):
    scan(noise)
    cut = OUTLINED.encode()[start : start + length]
    assert_outlined(scan, cut)
