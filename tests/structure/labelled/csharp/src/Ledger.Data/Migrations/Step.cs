using System.Linq;
using Ledger.Core;

namespace Ledger.Data.Migrations
{
    public abstract class Step
    {
        public abstract Result Run(Connection connection);

        protected int Depth(int[] depths)
        {
            var Entity = depths.Max();
            return Entity.CompareTo(3);
        }
    }
}
