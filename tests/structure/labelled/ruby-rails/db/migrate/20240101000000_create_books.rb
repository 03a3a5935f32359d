class CreateBooks < ActiveRecord::Migration[7.1]
  class Book < ActiveRecord::Base
  end

  class Copy < ActiveRecord::Base
  end

  def up
    create_table(:books) { |t| t.string :title }
    Book.reset_column_information
  end
end
