class BooksController < ApplicationController
  helper BooksHelper

  def index
    @books = Book.matching(params[:text])
  end

  def borrow
    Lending::Checkout.call(Book.find(params[:id]), current_member)
  end
end
