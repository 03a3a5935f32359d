Rails.application.routes.draw do
  mount Search::Engine => "/search"
  resources :books, only: %i[index show]
end
