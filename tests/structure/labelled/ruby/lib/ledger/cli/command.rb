# frozen_string_literal: true

module Ledger
  class CLI
    class Command
      Unknown = Class.new(Error)

      def self.inherited(command)
        super
        (@known ||= []) << command
      end

      def self.find(name)
        @known.find { |command| command.name.downcase.end_with?("::#{name}") } || raise(Unknown, name.to_s)
      end
    end
  end
end
