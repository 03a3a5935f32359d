package org.example.lending.platform

fun title(): String = platformName()
