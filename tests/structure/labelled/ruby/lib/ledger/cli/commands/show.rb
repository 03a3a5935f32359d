# frozen_string_literal: true

module Ledger
  class CLI
    class Show < Command
      def call(path, kind = Report::KINDS.first)
        puts Report.run(kind, Book.open(path))
        0
      end
    end
  end
end
