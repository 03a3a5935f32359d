# frozen_string_literal: true

module Ledger
  class Account
    # What an account is, by the first part of its name.
    module Kinds
      def asset?
        name.start_with?("assets")
      end
    end
  end
end
