package org.example.lending.util

sealed class Result<out T> {
    class Ok<T>(val value: T) : Result<T>()

    class Failure(val reason: String) : Result<Nothing>()
}
