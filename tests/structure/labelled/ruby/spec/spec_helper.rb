# frozen_string_literal: true

require "ledger"
Dir[File.expand_path("support/**/*.rb", __dir__)].sort.each { |file| require file }

RSpec.configure do |config|
  config.include Books
end
