namespace Ledger.Core.Text
{
    public class Result
    {
        public string Line;
    }
}
