# frozen_string_literal: true

module Ledger
  module Report
    class Journal < Balance
      def lines
        Formats::Text.new(@book).render.lines
      end
    end
  end
end
