namespace Ledger.Tests
{
    public class Test
    {
        public string Name;
    }
}
