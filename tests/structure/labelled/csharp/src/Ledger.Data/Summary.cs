using Ledger.Core;

namespace Ledger.Data
{
    public class Summary
    {
        private readonly Result.Builder builder = new Result.Builder();
        private readonly Ledger.Core.Text.Result line = null;
        private readonly global::Ledger.Core.Node<string> tree = null;

        public object Problem(object value)
        {
            if (value is Currency) return Account.Problems;
            return value as LedgerException;
        }
    }
}
