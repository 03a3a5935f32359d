# frozen_string_literal: true

require "optparse"
require "ledger"
require "ledger/cli/command"

Dir[File.join(__dir__, "cli", "commands", "*.rb")].sort.each { |file| require file }

module Ledger
  class CLI
    def initialize(arguments)
      @name, *@rest = arguments
    end

    def run
      Command.find(@name).new.call(*@rest)
    rescue Ledger::Error => error
      warn error.message
      1
    end
  end
end
