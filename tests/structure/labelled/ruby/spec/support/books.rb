# frozen_string_literal: true

module Books
  def book(*lines)
    Ledger::Book.new(lines.each.with_index(1).map { |line, number| Ledger::Entry.parse(line, number) })
  end
end
