require "test_helper"

class MemberTest < ActiveSupport::TestCase
  # Not the model: a stand-in of this file.
  class Loan
    def self.open
      []
    end
  end

  def setup
    @loans = Loan.open
  end

  test "may borrow" do
    assert_predicate member, :may_borrow?
  end
end
