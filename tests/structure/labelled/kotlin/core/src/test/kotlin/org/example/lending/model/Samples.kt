package org.example.lending.model

import org.example.lending.money.*

fun sampleBook() = Book(Isbn("9780000000002"), "Sample", Money(100, Currency.EUR))
