# frozen_string_literal: true

module Ledger
  class Entry
    ZERO = Money.new(0, "EUR")

    attr_reader :date, :account, :amount

    def initialize(date, account, amount = ZERO)
      @date, @account, @amount = Date.parse(date), account, amount
    end

    def self.parse(line, number)
      date, account, amount = line.blank_safe.split("  ")
      raise ParseError.new(number) unless amount

      new(date, Account.named(account), Money.parse(amount))
    end
  end
end
