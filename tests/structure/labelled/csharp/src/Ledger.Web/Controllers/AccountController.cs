using Ledger.Web.Models;
using Microsoft.AspNetCore.Mvc;
using Newtonsoft.Json;

namespace Ledger.Web.Controllers;

[Route("accounts")]
public class AccountController(Store store) : ControllerBase
{
    [Audited, HttpGet("{id}")]
    public IActionResult Show(Guid id)
    {
        if (!User.Identity.IsAuthenticated) return Unauthorized();
        AccountModel model = AccountModel.From(store.Find(id));
        return Content(JsonConvert.SerializeObject(model));
    }
}
