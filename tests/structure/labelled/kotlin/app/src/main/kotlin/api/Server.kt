package org.example.lending.app.api

import org.example.lending.model.Loan

class Server(private val port: Int) {
    fun start() = println("listening on $port")

    fun render(loan: Loan): String = loan.toJson()
}
