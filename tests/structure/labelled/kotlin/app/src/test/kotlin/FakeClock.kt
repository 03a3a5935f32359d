package org.example.lending.app

import java.time.LocalDate
import org.example.lending.util.Clock

class FakeClock(private val day: LocalDate) : Clock {
    override fun today() = day
}
