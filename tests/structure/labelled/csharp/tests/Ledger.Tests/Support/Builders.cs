using Ledger.Core;

namespace Ledger.Tests.Support
{
    public static class Builders
    {
        public static Account WithBalance(this Account account, decimal amount)
        {
            account.Deposit(new Money(amount, Currency.Usd));
            return account;
        }
    }
}
