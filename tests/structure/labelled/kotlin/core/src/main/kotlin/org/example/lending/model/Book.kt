package org.example.lending.model

import org.example.lending.money.Money

/** A copy that can be lent. */
data class Book(val isbn: Isbn, val title: String, val price: Money) {
    val condition: Condition = Condition.NEW

    enum class Condition { NEW, WORN }

    companion object {
        const val MAX_TITLE = 200
    }
}
