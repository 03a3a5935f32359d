package org.example.lending.app

import org.example.lending.model.BuildInfo
import org.example.lending.model.Limit

object Config {
    const val PORT = 8080
    val version = BuildInfo.VERSION

    class Limits(val perMember: Limit)
}
