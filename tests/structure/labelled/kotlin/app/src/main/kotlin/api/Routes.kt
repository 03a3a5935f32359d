package org.example.lending.app.api

import io.ktor.http.Headers
import org.example.lending.app.Config.PORT
import org.example.lending.app.Service
import org.example.lending.model.Book.Companion.MAX_TITLE
import org.example.lending.model.Book.Condition

fun routes(service: Service, headers: Headers = Headers.Empty): Server {
    check(Condition.NEW.name.length < MAX_TITLE)
    return Server(PORT)
}
