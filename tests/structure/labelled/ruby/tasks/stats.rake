desc "Count the entries of a book"
task :stats do
  require "ledger"
  puts Ledger::Book.open(ENV.fetch("BOOK")).entries.size
end
