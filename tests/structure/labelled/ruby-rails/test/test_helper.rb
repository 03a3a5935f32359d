ENV["RAILS_ENV"] ||= "test"
require_relative "../config/environment"
require "rails/test_help"
require "support/members"

class ActiveSupport::TestCase
  include Members
end
