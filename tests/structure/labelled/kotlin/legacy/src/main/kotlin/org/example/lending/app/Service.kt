package org.example.lending.app

import org.example.lending.money.Money

class Service(val balance: Money)
