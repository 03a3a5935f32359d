package org.example.lending.app

import java.time.LocalDate
import kotlin.test.Test
import org.example.lending.model.Member
import org.example.lending.store.inMemory

class ServiceTest {
    private val service = Service(inMemory(), FakeClock(LocalDate.EPOCH))

    @Test
    fun children() {
        val child = Member.Child("Ada", Member.Adult("Bea"))
        check(child.limit < 10)
    }
}
