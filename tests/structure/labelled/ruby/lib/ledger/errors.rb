# frozen_string_literal: true

module Ledger
  class Error < StandardError; end

  # Raised for a text that is no entry.
  class ParseError < Error
    attr_reader :line

    def initialize(line)
      @line = line
      super("line #{line} is no entry")
    end
  end

  class Unbalanced < Error; end
end
