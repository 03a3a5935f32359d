# frozen_string_literal: true

module Ledger
  module Formats
    autoload :Base, "ledger/formats/base"
    autoload :JSON, "ledger/formats/json"
    autoload(:Text, File.join(__dir__, "formats", "text"))

    def self.for(name)
      { "json" => JSON, "text" => Text }.fetch(name)
    end
  end
end
