# frozen_string_literal: true

module Ledger
  module Formats
    class Base
      WIDTH = 72

      def initialize(book)
        @book = book
      end

      def render
        raise NotImplementedError
      end
    end
  end
end
