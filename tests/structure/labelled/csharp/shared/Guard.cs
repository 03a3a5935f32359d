using System;

namespace Ledger
{
    /// <summary>Checks of arguments, compiled into each assembly that wants them.</summary>
    internal static class Guard
    {
        public static void NotNull(object value, string name)
        {
            if (value == null) throw new ArgumentNullException(name);
        }
    }
}
