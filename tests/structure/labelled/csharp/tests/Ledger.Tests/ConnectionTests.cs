using Ledger.Data;
using NUnit.Framework;

namespace Ledger.Tests
{
    [TestFixture]
    public class ConnectionTests
    {
        [TestCase(typeof(Connection))]
        public void HasAnEmptyConstructor(System.Type type)
        {
            Assert.That(System.Activator.CreateInstance(type), Is.InstanceOf<Connection>());
        }
    }
}
