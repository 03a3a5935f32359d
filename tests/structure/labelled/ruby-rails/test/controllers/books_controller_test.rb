require "test_helper"

class BooksControllerTest < ActionDispatch::IntegrationTest
  test "refuses" do
    assert_raises(Lending::Refused) { Lending::Checkout.call(Book.new, member) }
  end
end
