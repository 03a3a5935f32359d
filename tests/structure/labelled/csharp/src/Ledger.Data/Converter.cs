using Ledger.Core.Text;
using Amount = Ledger.Core.Money;
using Core = Ledger.Core;

namespace Ledger.Data
{
    public static class Converter
    {
        public static string Show(Amount amount, string label)
        {
            return label.Shorten(Core.Node.MaxDepth).Trim() + amount.Amount;
        }

        public static Amount Zero()
        {
            return default(Amount);
        }
    }
}
