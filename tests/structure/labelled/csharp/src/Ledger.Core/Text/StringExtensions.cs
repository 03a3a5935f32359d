namespace Ledger.Core.Text
{
    public static class StringExtensions
    {
        public static string Shorten(this string text, int limit)
        {
            return text.Length <= limit ? text : text.Substring(0, limit);
        }

        public static string Trim(this string text, int limit)
        {
            return text.Shorten(limit).Trim();
        }
    }
}
