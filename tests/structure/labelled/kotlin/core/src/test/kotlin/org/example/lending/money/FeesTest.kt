package org.example.lending.money

import kotlin.test.Test
import kotlin.test.assertTrue

class FeesTest {
    @Test
    fun nothingWithinGrace() {
        val fee: Money = feeFor(GRACE_DAYS)
        assertTrue(fee.isFree)
    }
}
