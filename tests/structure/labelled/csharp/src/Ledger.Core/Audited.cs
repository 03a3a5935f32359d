namespace Ledger.Core
{
    public interface Audited
    {
        string Who { get; }
    }
}
