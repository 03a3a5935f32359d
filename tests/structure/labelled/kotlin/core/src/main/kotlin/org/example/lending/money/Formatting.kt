package org.example.lending.money

import java.util.Locale

fun Money.formatted(locale: Locale = Locale.ROOT): String =
    String.format(locale, "%d.%02d", cents / 100, cents % 100)

val Money.isFree: Boolean
    get() = cents == 0L
