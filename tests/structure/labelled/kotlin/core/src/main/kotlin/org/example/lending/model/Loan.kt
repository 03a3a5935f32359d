package org.example.lending.model

import java.time.LocalDate
import org.example.lending.money.Money

class Loan(val book: Book, val member: Member, val due: LocalDate) {
    var state: State = State.Open

    sealed interface State {
        data object Open : State

        class Closed(val fee: Money?) : State
    }
}
