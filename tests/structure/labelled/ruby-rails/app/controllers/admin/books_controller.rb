module Admin
  class BooksController < BaseController
    def create
      Importers::Book.new(params.require(:file)).run
    end

    def destroy
      Book.find(params[:id]).destroy!
    end
  end
end
