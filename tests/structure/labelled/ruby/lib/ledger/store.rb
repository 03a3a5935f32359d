# frozen_string_literal: true

module Ledger
  module Store
    def self.default
      find("memory").new
    end

    def self.find(name)
      require "ledger/store/#{name}"
      const_get(name.capitalize)
    end

    def self.on_disk(path)
      require "ledger/store/file"
      File.new(path)
    end
  end
end
