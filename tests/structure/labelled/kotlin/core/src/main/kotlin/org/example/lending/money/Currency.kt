package org.example.lending.money

enum class Currency(val symbol: String) {
    EUR("E"),
    USD("D");

    fun isEuro() = this == EUR
}
