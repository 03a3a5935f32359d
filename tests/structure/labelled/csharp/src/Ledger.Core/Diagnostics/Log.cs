using System;
using static Ledger.Core.Diagnostics.Levels;

namespace Ledger.Core.Diagnostics
{
    public static class Log
    {
        public static void Info(string message)
        {
            Console.WriteLine("{0}: {1}", Verbose, message);
        }
    }
}
