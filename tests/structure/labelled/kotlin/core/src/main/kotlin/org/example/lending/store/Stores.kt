package org.example.lending.store

object Stores {
    val default: LoanStore by lazy { inMemory() }
}

fun inMemory(): LoanStore = MemoryLoanStore()
