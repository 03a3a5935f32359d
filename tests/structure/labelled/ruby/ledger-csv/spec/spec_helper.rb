# frozen_string_literal: true

require "ledger/csv"
