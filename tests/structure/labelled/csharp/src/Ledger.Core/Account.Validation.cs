namespace Ledger.Core
{
    public partial class Account
    {
        private const decimal Limit = 1000;

        public static readonly string[] Problems = { "too much" };

        private void Validate(Money amount)
        {
            if (amount.Amount > Limit) throw new LedgerException(Problems[0]);
        }
    }
}
