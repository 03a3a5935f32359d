class Loan < ApplicationRecord
  include Notifiable

  class_attribute :term, default: 28

  belongs_to :copy
  belongs_to :member

  scope :open, -> { where(returned_on: nil) }

  def due_on
    created_at.to_date.next_working_day + term
  end

  def notifier
    LoanMailer
  end
end
