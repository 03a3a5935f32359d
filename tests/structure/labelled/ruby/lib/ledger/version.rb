# frozen_string_literal: true

module Ledger
  VERSION = "1.4.0"
end
