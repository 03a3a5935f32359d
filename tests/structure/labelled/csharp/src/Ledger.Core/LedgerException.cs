using System;

namespace Ledger.Core
{
    [Serializable]
    public class LedgerException : Exception
    {
        public LedgerException(string message) : base(message)
        {
        }
    }
}
