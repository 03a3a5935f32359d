require_relative "boot"
require "rails/all"
require_relative "../lib/middleware/request_clock"

Bundler.require(*Rails.groups)

module Shelf
  class Application < Rails::Application
    config.load_defaults 7.1
    config.autoload_lib(ignore: %w[core_ext middleware tasks])
    config.middleware.use Middleware::RequestClock
  end
end
