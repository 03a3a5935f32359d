package org.example.lending.model

typealias Limit = Int
typealias Shelf = Map<Isbn, List<Book>>
