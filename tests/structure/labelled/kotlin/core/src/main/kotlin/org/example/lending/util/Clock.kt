package org.example.lending.util

import java.time.LocalDate

fun interface Clock {
    fun today(): LocalDate
}

object SystemClock : Clock {
    override fun today(): LocalDate = LocalDate.now()
}
