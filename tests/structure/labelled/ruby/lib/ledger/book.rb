# frozen_string_literal: true

require "set"
require "json"

class Ledger::Book
  attr_reader :entries

  def self.open(path)
    lines = File.readlines(path, chomp: true)
    new(lines.each.with_index(1).map { |line, number| Ledger::Entry.parse(line, number) })
  end

  def initialize(entries)
    @entries = entries
    @seen = Set.new
  end

  def check!
    raise Ledger::Unbalanced if total != 0
  end

  def total
    entries.sum { |entry| entry.amount.cents }
  end

  def save(store = Ledger::Store.default)
    store.write(JSON.generate(entries.map { |entry| entry.amount.to_a }))
  end
end
