namespace Ledger.Data
{
    public class Connection
    {
        public string Url;
    }
}
