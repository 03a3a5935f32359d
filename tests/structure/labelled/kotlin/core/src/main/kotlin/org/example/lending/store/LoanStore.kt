package org.example.lending.store

import org.example.lending.model.Loan
import org.example.lending.model.Member

interface LoanStore {
    fun open(member: Member): List<Loan>

    fun save(loan: Loan)

    class NotFound(message: String) : RuntimeException(message)
}
