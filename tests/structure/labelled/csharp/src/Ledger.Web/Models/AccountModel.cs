namespace Ledger.Web.Models;

public record AccountModel(Guid Id, Money Balance, Status Status)
{
    public string Label => Status switch
    {
        Status.Open => "open",
        _ => "empty",
    };

    public static AccountModel From(Account account) =>
        new(account.Id, account.Balance, account.Balance.Amount > 0 ? Status.Open : Status.Empty);
}
