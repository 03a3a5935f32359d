using System.Collections.Generic;

namespace Ledger.Core
{
    public class Node<Account>
    {
        public Account Value;

        public List<Node<Account>> Children = new List<Node<Account>>();
    }
}
