class Copy < ApplicationRecord
  belongs_to :book
  has_many :loans

  scope :lent, -> { where(id: Loan.open.select(:copy_id)) }
end
