namespace Ledger.Data.Migrations
{
    public enum Result
    {
        Done,
        Failed,
    }
}
