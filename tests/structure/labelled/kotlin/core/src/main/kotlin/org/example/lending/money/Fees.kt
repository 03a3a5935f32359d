@file:JvmName("Fees")

package org.example.lending.money

const val GRACE_DAYS = 3
private val FREE = Money(0, Currency.EUR)

fun feeFor(days: Int): Money =
    if (days <= GRACE_DAYS) FREE else Rounding.down(Money(days * 10L, Currency.EUR))
