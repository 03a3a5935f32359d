# frozen_string_literal: true

module Ledger
  module CSV
    class Reader
      def initialize(path)
        @path = path
      end

      def entries
        ::CSV.foreach(@path).map do |date, account, amount|
          Entry.new(date, Account.named(account), Money.parse(amount))
        end
      end
    end
  end
end
