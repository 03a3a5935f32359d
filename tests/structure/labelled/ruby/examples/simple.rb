# frozen_string_literal: true

lib = File.expand_path("../lib", __FILE__.sub("examples/", ""))
$LOAD_PATH.unshift(File.join(File.dirname(__FILE__), "..", "lib"))
require "ledger"
require "./examples/missing"

book = Ledger::Book.new([])
puts book.total, lib
