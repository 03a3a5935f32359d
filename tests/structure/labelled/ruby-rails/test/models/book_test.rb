require "test_helper"

class BookTest < ActiveSupport::TestCase
  test "has a blurb" do
    assert_equal "A (1)", Book.new(title: "A", isbn: "1").summary
  end
end
