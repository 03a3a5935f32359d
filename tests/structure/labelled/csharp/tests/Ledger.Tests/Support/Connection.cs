namespace Ledger.Tests.Support
{
    public class Connection
    {
        public int Opened;
    }
}
