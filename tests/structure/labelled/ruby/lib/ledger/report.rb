# frozen_string_literal: true

module Ledger
  module Report
    KINDS = %w[balance journal].freeze

    %w[balance journal].each { |kind| require_relative "report/#{kind}" }

    def self.run(kind, book)
      const_get(kind.capitalize).new(book).lines
    end
  end
end
