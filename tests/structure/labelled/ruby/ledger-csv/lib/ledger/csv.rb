# frozen_string_literal: true

require "csv"
require "ledger"
require "ledger/csv/version"

module Ledger
  module CSV
    autoload :Reader, "ledger/csv/reader"

    def self.read(path)
      Reader.new(path).entries
    end
  end
end
