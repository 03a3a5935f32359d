namespace Ledger.Core
{
    // Kept for reference, and compiled by nobody.
    public class Money
    {
        public double Amount;
    }
}
