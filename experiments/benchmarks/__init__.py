"""How fast, how small, how right: one module a claim, each against the plain way to do the same."""
