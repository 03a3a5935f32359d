package org.example.lending.model

class Box<Book>(val content: Book) {
    fun <Member> swap(other: Member): Pair<Book, Member> = content to other
}
