# frozen_string_literal: true

class Clock
  def self.today
    Date.new(2024, 1, 31)
  end
end
