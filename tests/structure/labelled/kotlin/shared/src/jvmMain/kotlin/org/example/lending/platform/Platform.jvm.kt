package org.example.lending.platform

actual class Uuid(actual val text: String)

actual fun platformName(): String = "JVM"
