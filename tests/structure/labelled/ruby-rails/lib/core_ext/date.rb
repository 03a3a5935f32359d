require "date"

class Date
  def next_working_day
    saturday? || sunday? ? next_day.next_working_day : self
  end
end
