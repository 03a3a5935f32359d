# frozen_string_literal: true

require "spec_helper"

RSpec.describe Ledger::CSV::Reader do
  it "reads nothing from an empty file" do
    expect(described_class.new(File::NULL).entries).to be_empty
  end
end
