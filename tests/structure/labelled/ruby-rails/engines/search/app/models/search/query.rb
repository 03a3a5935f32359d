module Search
  class Query
    def initialize(text)
      @words = text.to_s.split
    end

    def apply(relation)
      @words.inject(relation) { |found, word| found.where("title @@ to_tsquery(?, ?)", Search.language, word) }
    end

    # An application may have a Book, the engine knows none.
    def self.books
      Book
    end
  end
end
