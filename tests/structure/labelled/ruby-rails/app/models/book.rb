# A title, of which the library has any number of copies.
class Book < ApplicationRecord
  include Searchable

  has_many :copies
  has_one_attached :cover

  scope :lent, -> { joins(:copies).merge(Copy.lent) }

  validates :isbn, format: ISBNNumber::PATTERN

  def isbn_number
    ISBNNumber.new(isbn)
  end

  def summary
    Blurb.new(self).to_s
  end
end
