using Ledger.Core;
using Ledger.Tests.Support;
using NUnit.Framework;

namespace Ledger.Tests
{
    [TestFixture]
    public class AccountTests
    {
        [Test]
        public void DepositIsKept()
        {
            var account = new Account().WithBalance(3);
            Assert.That(account.Balance.Amount, Is.EqualTo(3));
        }
    }
}
