namespace Ledger.Core
{
    public enum Currency
    {
        Eur,
        Usd,
    }
}
