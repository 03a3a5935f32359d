package org.example.lending.app

import org.example.lending.model.*
import org.example.lending.money.feeFor as fee
import org.example.lending.store.LoanStore
import org.example.lending.util.Clock
import org.example.lending.util.Result
import org.example.lending.util.SystemClock
import org.example.lending.util.second

class Service(private val store: LoanStore, private val clock: Clock = SystemClock) {
    fun lend(book: Book, member: Member): Result<Loan> {
        log("lending, fee ${fee(1)}")
        val loan = Loan(book, member, clock.today())
        store.save(loan)
        return Result.Ok(listOf(loan, loan).second())
    }
}
