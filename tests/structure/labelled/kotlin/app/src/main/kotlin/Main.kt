package org.example.lending.app

import org.example.lending.app.api.routes
import org.example.lending.platform.platformName
import org.example.lending.store.Stores

fun main() {
    log(platformName())
    routes(Service(Stores.default)).start()
}
