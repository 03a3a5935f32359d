namespace Ledger.Core.Diagnostics
{
    public static class Levels
    {
        public const int Verbose = 0;

        public const int Warning = 1;
    }
}
