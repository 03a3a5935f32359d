using System;

namespace Ledger.Core
{
    public struct Money
    {
        public Money(decimal amount, Currency currency)
        {
            Amount = amount;
            Currency = currency;
        }

        public decimal Amount { get; }

        public Currency Currency { get; }

        public bool IsEuro
        {
            get { return Currency == Currency.Eur; }
        }
    }
}
