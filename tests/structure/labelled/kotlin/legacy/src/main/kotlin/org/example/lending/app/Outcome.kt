package org.example.lending.app

class Result<T>(val value: T)

fun describe(clock: Clock): String = clock.toString()
