require_relative "lib/search/version"

Gem::Specification.new do |spec|
  spec.name = "shelf_search"
  spec.version = Search::VERSION
  spec.summary = "Full text search of a shelf"
  spec.authors = ["The authors"]
  spec.add_dependency "railties"
end
