# frozen_string_literal: true

require_relative "lib/ledger/version"

Gem::Specification.new do |spec|
  spec.name = "ledger"
  spec.version = Ledger::VERSION
  spec.summary = "Double-entry books in plain files"
  spec.authors = ["The authors"]
  spec.files = Dir["lib/**/*.rb"]
  spec.require_paths = ["lib"]
  spec.add_dependency "money-rates", "~> 2.0"
end
