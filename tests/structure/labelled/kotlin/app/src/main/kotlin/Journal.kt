package org.example.lending.app

class Journal {
    private val lines = mutableListOf<String>()

    fun log(line: String) {
        lines += line
    }

    fun start() = log("start")

    fun outcome(): Result<Unit> = runCatching { start() }
}
