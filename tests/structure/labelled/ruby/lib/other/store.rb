# frozen_string_literal: true

# A second library in the same gem that nobody asks for: its names end like those of the first.
module Other
  module Store
    def self.default
      nil
    end
  end

  class Book
    def self.open(path)
      Store.default || path
    end
  end
end
