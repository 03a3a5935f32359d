package org.example.lending.model

sealed class Member(val name: String) {
    abstract val limit: Limit

    class Adult(name: String) : Member(name) {
        override val limit: Limit = 10
    }

    class Child(name: String, val guardian: Adult) : Member(name) {
        override val limit: Limit = 3
    }
}
