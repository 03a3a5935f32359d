using System;
using System.Collections.Generic;
using Ledger.Core;

namespace Ledger.Data
{
    public class AccountStore : IRepository<Account>
    {
        private readonly Dictionary<Guid, Account> accounts = new Dictionary<Guid, Account>();
        private readonly Connection connection;

        public AccountStore(Connection connection)
        {
            Guard.NotNull(connection, nameof(connection));
            this.connection = connection;
        }

        public int Count
        {
            get { return accounts.Count; }
        }

        public Account Find(Guid id)
        {
            return accounts[id];
        }
    }
}
