# frozen_string_literal: true

require "json"

module Ledger
  module Formats
    class JSON < Base
      def render
        ::JSON.generate(@book.entries.map { |entry| [entry.date, String(entry.amount.cents)] })
      end
    end
  end
end
