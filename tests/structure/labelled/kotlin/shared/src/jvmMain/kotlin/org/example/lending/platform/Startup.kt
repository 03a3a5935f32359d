package org.example.lending.platform

fun banner(): String = platformName() + " " + Greeting(Uuid("1")).text()
