namespace Ledger.Core
{
    public class Node
    {
        public const int MaxDepth = 8;
    }
}
