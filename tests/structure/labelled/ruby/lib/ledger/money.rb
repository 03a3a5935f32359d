# frozen_string_literal: true

require "bigdecimal"

module Ledger
  # An amount in a currency.
  Money = Struct.new(:cents, :currency) do
    include Comparable

    def self.parse(text)
      amount, currency = text.split
      raise Error, "no amount in #{text}" unless amount

      new((BigDecimal(amount) * 100).to_i, currency || Ledger.currency)
    end

    def <=>(other)
      cents <=> other.cents
    end
  end
end
