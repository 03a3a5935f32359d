class ReminderJob < ApplicationJob
  def perform(loan)
    LoanMailer.with(loan: loan).reminder.deliver_now
  end
end
