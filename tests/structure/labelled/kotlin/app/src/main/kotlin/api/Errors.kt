package org.example.lending.app.api

class ApiError(override val cause: org.example.lending.store.LoanStore.NotFound) : Exception(cause)
