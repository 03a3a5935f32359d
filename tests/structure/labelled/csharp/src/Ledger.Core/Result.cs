namespace Ledger.Core
{
    public class Result
    {
        public static readonly Result Empty = new Result();

        public class Builder
        {
            public Result Build()
            {
                return Empty;
            }
        }
    }
}
