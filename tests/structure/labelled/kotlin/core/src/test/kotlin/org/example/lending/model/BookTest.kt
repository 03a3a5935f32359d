package org.example.lending.model

import kotlin.test.Test
import kotlin.test.assertEquals

class BookTest {
    @Test
    fun titles() {
        val book: Book = sampleBook()
        assertEquals(Isbn("9780000000002"), book.isbn)
    }
}
