namespace Ledger.Core.Text
{
    public static class Shortening
    {
        public static string Shorten(this string text, int limit)
        {
            return text;
        }
    }
}
