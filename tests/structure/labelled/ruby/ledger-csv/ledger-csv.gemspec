# frozen_string_literal: true

require File.expand_path("lib/ledger/csv/version", __dir__)

Gem::Specification.new do |spec|
  spec.name = "ledger-csv"
  spec.version = Ledger::CSV::VERSION
  spec.summary = "Reads statements of banks"
  spec.authors = ["The authors"]
  spec.add_dependency "ledger", ">= 1"
end
