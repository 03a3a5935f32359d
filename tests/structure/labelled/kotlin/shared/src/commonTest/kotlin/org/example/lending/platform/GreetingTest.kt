package org.example.lending.platform

import kotlin.test.Test

class GreetingTest {
    @Test
    fun saysWhere() {
        check(platformName().isNotEmpty())
    }
}
