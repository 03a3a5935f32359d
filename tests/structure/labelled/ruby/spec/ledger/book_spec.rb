# frozen_string_literal: true

require "spec_helper"

module Ledger
  RSpec.describe Book do
    it "balances" do
      expect { book("#{Clock.today}  assets:cash  1 EUR").check! }.to raise_error(Unbalanced)
    end

    it "is saved" do
      store = Store::Memory.new
      book.save(store)
    end
  end
end
