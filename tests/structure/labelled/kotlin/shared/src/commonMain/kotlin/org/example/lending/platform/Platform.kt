package org.example.lending.platform

expect class Uuid {
    val text: String
}

expect fun platformName(): String
