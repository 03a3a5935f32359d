require "csv"

module Importers
  # Makes books of a publisher's list. Within it, Book is this class.
  class Book
    def initialize(file)
      @file = file
    end

    def run
      CSV.foreach(@file) { |title, isbn| ::Book.create!(title: title, isbn: isbn) }
    end

    def self.all(files)
      files.each { |file| Book.new(file).run }
    end
  end
end
