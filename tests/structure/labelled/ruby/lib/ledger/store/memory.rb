# frozen_string_literal: true

module Ledger
  module Store
    class Memory
      def write(text)
        (@texts ||= []) << text
      end
    end
  end
end
