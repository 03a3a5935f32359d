# frozen_string_literal: true

require "fileutils"

module Ledger
  module Store
    class File
      def initialize(path)
        @path = path
      end

      def write(text)
        FileUtils.mkdir_p(::File.dirname(@path))
        ::File.write(@path, text)
      end
    end
  end
end
