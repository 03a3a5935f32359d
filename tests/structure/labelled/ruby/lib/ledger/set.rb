# frozen_string_literal: true

module Ledger
  # Several books that are looked at as one. Not the Set of the standard library.
  class Set
    def initialize(*books)
      @books = books
    end

    def entries
      @books.flat_map(&:entries)
    end
  end
end
