"""What helps somebody who can't reach this database: how it is built and used, and what went wrong; nobody's data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.store.database import Transaction, rows
from crossdock.store.statements import load

_SQL = load("support")
_DAYS = 7
_TABLE = (
    "table", "rows", "dead", "scans", "rows_scanned", "index_scans", "inserted", "updated", "updated_in_place", "deleted",
    "vacuumed_at", "analysed_at", "bytes",
)  # fmt: skip
_COLUMNS = {
    "tables": _TABLE,
    "indexes": ("table", "index", "scans", "bytes"),
    "columns": ("table", "column", "null_share", "distinct", "correlation"),
    "sessions": ("state", "waits_for", "count", "oldest_transaction_seconds"),
    "migrations": ("name", "applied_at"),
}
_FAULTS = {
    "calls": ("faults", ("target", "noun", "outcome", "count", "promises", "first", "last")),
    "cases": ("cases", ("id", "kind", "cause", "title", "opened_at", "items")),
    "decisions": ("decisions", ("what", "count", "last")),
}

Told = Mapping[str, Any]


async def database(tx: Transaction) -> Told:
    """The server and its statistics: how tables are read, what the planner believes, what waits for what."""
    parts = {name: await _told(tx, name, columns) for name, columns in _COLUMNS.items()}
    return {"settings": dict(await rows(tx, _SQL["server"])), **parts}


async def faults(tx: Transaction) -> Told:
    """What went wrong in the last week, counted."""
    return {name: await _told(tx, statement, columns) for name, (statement, columns) in _FAULTS.items()}


async def _told(tx: Transaction, statement: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    found = await rows(tx, _SQL[statement], {"days": _DAYS})
    return [dict(zip(columns, row, strict=True)) for row in found]
