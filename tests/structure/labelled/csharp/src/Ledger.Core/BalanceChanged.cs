namespace Ledger.Core
{
    public delegate void BalanceChanged(Entity sender, Money balance);
}
