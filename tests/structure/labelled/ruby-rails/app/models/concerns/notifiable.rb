module Notifiable
  extend ActiveSupport::Concern

  included do
    after_create_commit { ReminderJob.set(wait: 3.weeks).perform_later(self) }
  end
end
