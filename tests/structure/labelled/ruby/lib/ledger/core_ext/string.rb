# frozen_string_literal: true

class String
  def blank_safe
    strip.gsub(/\t/, "  ")
  end
end
