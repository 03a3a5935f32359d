# frozen_string_literal: true

module Ledger
  module Formats
    class Text < Base
      def render
        @book.entries.map { |entry| entry.account.name.ljust(WIDTH) }.join("\n")
      end
    end
  end
end
