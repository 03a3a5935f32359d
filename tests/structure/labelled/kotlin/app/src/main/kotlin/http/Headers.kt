package org.example.lending.app.http

class Headers {
    companion object {
        val Empty = Headers()
    }
}
