package org.example.lending.app.api

import org.example.lending.model.Loan
import org.example.lending.model.Member
import org.example.lending.money.formatted

fun Loan.toJson(): String = "{\"price\": \"${book.price.formatted()}\", \"member\": ${member.toJson()}}"

fun Member.toJson(): String = "\"$name\""
