namespace :books do
  task import: :environment do
    Importers::Book.all(Dir["lists/*.csv"])
  end
end
