module Lending
  class Checkout
    def self.call(book, member)
      copy = book.copies.first
      raise Refused, "none is left" if copy.nil? || !member.may_borrow?

      Loan.create!(copy: copy, member: member)
    end
  end
end
