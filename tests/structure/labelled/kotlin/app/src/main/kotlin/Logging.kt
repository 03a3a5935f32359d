package org.example.lending.app

private const val PREFIX = "lending"

internal fun log(message: String) = println("[$PREFIX] $message")
