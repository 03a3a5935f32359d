package org.example.lending.util

fun <T> List<T>.second(): T = this[1]

inline fun <T> List<T>.lastWhere(test: (T) -> Boolean): T? = lastOrNull(test)
