package org.example.lending.platform

class Greeting(val id: Uuid) {
    fun text() = "Hello from ${platformName()}"
}
