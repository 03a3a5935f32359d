# frozen_string_literal: true

require "spec_helper"

RSpec.describe Ledger::Money do
  subject(:money) { described_class.parse("1.50") }

  it "takes the usual currency" do
    expect(money).to eq Ledger::Money.new(150, Ledger.currency)
  end
end
