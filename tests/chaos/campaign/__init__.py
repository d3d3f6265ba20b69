"""A campaign of faults: a seeded retailer trades, seeded faults strike it and its hub, and a judge looks at the ledgers."""
