using System;

namespace Ledger.Core
{
    /// <summary>
    /// What someone owns.
    /// </summary>
    [Audited]
    public partial class Account : Entity, IComparable<Account>
    {
        public event BalanceChanged Changed;

        public Money Balance { get; private set; }

        public void Deposit(Money amount)
        {
            Validate(amount);
            Balance = amount;
            if (Changed != null) Changed(this, amount);
        }

        public int CompareTo(Account other)
        {
            Guard.NotNull(other, nameof(other));
            return Id.CompareTo(other.Id);
        }
    }
}
