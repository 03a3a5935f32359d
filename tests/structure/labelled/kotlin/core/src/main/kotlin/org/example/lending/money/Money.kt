package org.example.lending.money

data class Money(val cents: Long, val currency: Currency) : Comparable<Money> {
    override fun compareTo(other: Money): Int = cents.compareTo(other.cents)

    operator fun plus(other: Money) = Money(cents + other.cents, currency)
}
