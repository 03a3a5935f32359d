# frozen_string_literal: true

module Ledger
  module Report
    class Balance
      def initialize(book)
        @book = book
      end

      def lines
        @book.check!
        @book.entries.group_by(&:account).map { |account, _| account.name }
      end
    end
  end
end
