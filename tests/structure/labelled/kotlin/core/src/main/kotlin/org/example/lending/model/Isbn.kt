package org.example.lending.model

@JvmInline
value class Isbn(val digits: String) {
    init {
        require(isValid(digits)) { "not an ISBN: $digits" }
    }
}
