namespace Ledger.Web.Json;

public static class JsonConvert
{
    public static string SerializeObject(object value) => "";
}
