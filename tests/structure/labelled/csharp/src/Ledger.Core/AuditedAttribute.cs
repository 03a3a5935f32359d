using System;

namespace Ledger.Core
{
    [AttributeUsage(AttributeTargets.All)]
    public sealed class AuditedAttribute : Attribute
    {
    }
}
