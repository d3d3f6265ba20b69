"""An order's money, worked out to the cent: what is worth what, owed to whom, billed, paid and given back. Pure."""
