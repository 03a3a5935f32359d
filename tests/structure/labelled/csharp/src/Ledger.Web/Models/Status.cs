namespace Ledger.Web.Models;

public enum Status { Open, Empty }
