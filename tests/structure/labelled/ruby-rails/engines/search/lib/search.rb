require "search/version"
require "search/engine"

module Search
  mattr_accessor :language, default: "simple"
end
