using System;

namespace Ledger.Core
{
    public abstract class Entity
    {
        public Guid Id { get; } = Guid.NewGuid();
    }
}
