package org.example.lending.app

fun log(message: Any) = println(message)
