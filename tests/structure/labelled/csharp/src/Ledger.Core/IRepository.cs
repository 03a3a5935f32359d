namespace Ledger.Core
{
    public interface IRepository
    {
        int Count { get; }
    }
}
