global using Ledger.Core;
global using static Ledger.Core.Diagnostics.Levels;
global using Store = Ledger.Data.AccountStore;
