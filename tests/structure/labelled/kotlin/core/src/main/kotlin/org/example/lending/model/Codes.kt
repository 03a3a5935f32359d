package org.example.lending.model

/** Shelf codes have a check of their own. */
class Code(val number: Int) {
    val isUsable: Boolean get() = isValid(number)
}

private fun isValid(number: Int) = number > 0

private class Limit(val number: Int)
