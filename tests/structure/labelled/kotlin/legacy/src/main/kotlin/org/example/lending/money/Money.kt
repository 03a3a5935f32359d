package org.example.lending.money

class Money(val amount: Double)
