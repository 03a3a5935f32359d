module Searchable
  extend ActiveSupport::Concern

  class_methods do
    def matching(text)
      Search::Query.new(text).apply(all)
    end
  end
end
