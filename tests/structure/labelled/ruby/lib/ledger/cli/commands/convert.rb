# frozen_string_literal: true

module Ledger
  class CLI
    class Convert < Command
      def call(path, format)
        puts Formats.for(format).new(Book.open(path)).render
        0
      end
    end
  end
end
