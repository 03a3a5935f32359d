using System;

namespace Ledger.Core
{
    public interface IRepository<T> : IRepository where T : Entity
    {
        T Find(Guid id);
    }
}
