using Ledger.Core.Diagnostics;

namespace Ledger.Data
{
    public class Journal
    {
        private class Writer
        {
            public void Info(string message)
            {
            }
        }

        private Writer Log { get; } = new Writer();

        public void Note(string Levels)
        {
            Log.Info(Levels.Trim());
        }
    }
}
