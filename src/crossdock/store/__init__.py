"""PostgreSQL: the inbox, documents, promises, intents, receipts, leases, accounts. SQL lives in `sql/`, set-based only."""
