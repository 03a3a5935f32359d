ISBNNumber = Struct.new(:digits) do
  def valid?
    digits.match?(self.class::PATTERN)
  end
end

ISBNNumber::PATTERN = /\A\d{13}\z/
