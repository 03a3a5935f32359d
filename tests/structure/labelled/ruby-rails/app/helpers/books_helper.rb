module BooksHelper
  def blurb(book)
    content_tag(:p, book.summary, title: Book::Blurb::LENGTH)
  end
end
