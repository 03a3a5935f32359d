# frozen_string_literal: true

require_relative "account/kinds"

module Ledger
  class Account
    include Kinds

    attr_reader :name

    class << self
      def named(name)
        all[name] ||= new(name)
      end

      def all
        @all ||= {}
      end
    end

    def initialize(name)
      @name = name
    end
  end
end
