require "core_ext/date"

Rails.application.config.to_prepare do
  Loan.term = 21
end
