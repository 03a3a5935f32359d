# frozen_string_literal: true

module Ledger
  module CSV
    VERSION = "0.2.0"
  end
end
