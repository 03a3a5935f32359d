using Ledger.Web.Controllers;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddScoped<AccountController>();
builder.Services.AddSingleton<Store>();
Log.Info($"level {Warning}");
builder.Build().Run();
