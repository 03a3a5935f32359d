using Ledger.Core.Diagnostics;

namespace Ledger.Data
{
    public class Connection
    {
        public void Open()
        {
            Log.Info("open");
        }
    }
}
