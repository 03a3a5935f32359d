class Member < ApplicationRecord
  has_many :loans

  Status = Data.define(:name, :limit)
  STATUSES = [Status.new("child", 3), Status.new("adult", 10)].freeze

  def may_borrow?
    loans.merge(Loan.open).size < STATUSES.first.limit
  end
end
