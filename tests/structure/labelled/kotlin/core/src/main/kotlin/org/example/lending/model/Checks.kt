package org.example.lending.model

private const val LENGTH = 13

internal fun isValid(digits: String): Boolean = digits.length == LENGTH && digits.all(Char::isDigit)
