namespace Ledger.Web.Models;

public class Route
{
    public string Path { get; init; } = "";
}
