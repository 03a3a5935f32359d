class Book
  # What is said of a book in a list.
  class Blurb
    LENGTH = 80

    def initialize(book)
      @book = book
    end

    def to_s
      "#{@book.title} (#{ISBNNumber.new(@book.isbn)})".truncate(LENGTH)
    end
  end
end
