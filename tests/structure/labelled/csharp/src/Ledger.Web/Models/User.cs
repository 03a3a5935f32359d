namespace Ledger.Web.Models;

public record User(string Name);
