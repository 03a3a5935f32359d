package org.example.lending.store

import org.example.lending.model.*

internal class MemoryLoanStore : LoanStore {
    private val loans = mutableListOf<Loan>()

    override fun open(member: Member): List<Loan> =
        loans.filter { it.member == member }.ifEmpty { throw LoanStore.NotFound("none") }

    override fun save(loan: Loan) {
        loans += loan
    }
}
