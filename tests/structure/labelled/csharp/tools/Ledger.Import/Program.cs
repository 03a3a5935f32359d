using Ledger.Core.Text;
using Ledger.Data;

namespace Ledger.Import
{
    public static class Program
    {
        public static void Main(string[] args)
        {
            var connection = new Connection { Url = args[0].Shorten(80) };
            System.Console.WriteLine(connection.Url);
        }
    }
}
