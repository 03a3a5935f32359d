# frozen_string_literal: true

require "date"
require "ledger/version"
require "ledger/errors"
require_relative "ledger/money"
require_relative "ledger/entry"
require_relative "ledger/account"
require_relative "ledger/core_ext/string"

# Books of accounts.
module Ledger
  autoload :Book, "ledger/book"
  autoload :Formats, "ledger/formats"
  autoload :Report, "ledger/report"
  autoload :Store, "#{__dir__}/ledger/store"

  # The currency of amounts that name none.
  def self.currency
    @currency ||= "EUR"
  end
end
