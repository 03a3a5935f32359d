require "rails/engine"

module Search
  class Engine < ::Rails::Engine
    isolate_namespace Search
  end
end
